"""Which certificates a partner proves itself with, and how our own next one is announced."""
