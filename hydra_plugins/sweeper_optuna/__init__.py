"""Hydra finds this project's sweeper here."""
