"""The package in which Hydra finds this project's sweeper."""
