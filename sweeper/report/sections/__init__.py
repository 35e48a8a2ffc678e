"""The sections of a report, and what they share."""
