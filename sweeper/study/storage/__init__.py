"""Stores a study's trials: in its own directory, or in a database that many machines share."""
