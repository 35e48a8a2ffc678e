"""What studies and runs have come to: evidence, figures, a page that shows them."""
