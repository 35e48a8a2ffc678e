"""Ranks, top-k accuracy and the baselines."""
