"""Training: batches, steps, the loop, progress."""
