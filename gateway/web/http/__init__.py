"""HTTP itself: the server, bodies, limits, logs and counts."""
