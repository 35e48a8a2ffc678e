"""Loads interactions from their source or the cache into arrays, and splits them."""
