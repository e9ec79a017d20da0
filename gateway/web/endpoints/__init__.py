"""The addresses that partners' systems send to."""
