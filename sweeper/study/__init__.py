"""Runs studies: a grid or a sampler chooses many trials, and workers claim and run them."""
