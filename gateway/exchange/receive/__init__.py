"""Story one: a partner's message comes in (``receive.py`` tells it)."""
