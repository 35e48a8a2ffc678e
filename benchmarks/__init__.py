"""Benchmarks: how long a trial and its start take, beside the reference script."""
