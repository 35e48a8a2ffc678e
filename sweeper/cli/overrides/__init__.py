"""The overrides of a command line: read, explained where they are wrong, and quoted.

All of it works within `sweeper.cli.composition.loader`.
"""
