"""Reports on studies and runs: their sections, and the page that shows them."""
