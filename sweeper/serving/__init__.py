"""Exports trained models for serving, and answers requests from an export."""
