"""Which convention explains labelled first-order recordings. Imports no torch."""
