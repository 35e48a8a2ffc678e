"""Studies: many trials, chosen by a grid or a sampler, run by workers that pull them."""
