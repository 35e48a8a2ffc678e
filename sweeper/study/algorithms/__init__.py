"""Samplers and pruners, by the names that a user gives, and their options."""
