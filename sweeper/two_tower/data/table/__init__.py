"""`data=table`: a user's own interactions, from files to integer arrays."""
