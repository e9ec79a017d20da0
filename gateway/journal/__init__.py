"""The sealed journal: one order for everything, and proof that outsiders can check."""
