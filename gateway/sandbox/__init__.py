"""A partner's gateway in a box: its own process, its own keys, its own XML."""
