"""Runs trials: the queue, workers, trial processes and recovery."""
