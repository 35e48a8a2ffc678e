"""How sure figures are: scored rows, confirmations and the statistics on them."""
