"""What there is to know of a data set before anything is trained on it."""
