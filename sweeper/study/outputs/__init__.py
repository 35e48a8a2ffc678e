"""What a study has come to: read, ranked, shown while it runs and written at its end."""
