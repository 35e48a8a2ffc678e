"""Where a study's trials are kept: in its own directory, or in a database for many machines."""
