"""What every story needs at hand on one node."""
