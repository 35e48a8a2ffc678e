"""Writes a new project around a user's table (`python -m sweeper.init`)."""
