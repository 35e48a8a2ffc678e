"""A report on several studies and runs, side by side."""
