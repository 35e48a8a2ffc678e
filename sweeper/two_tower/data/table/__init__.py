"""Reads a user's own interactions (`data=table`) from files into integer arrays."""
