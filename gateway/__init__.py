"""The AEO mutual recognition gateway."""

__version__ = "0.2.0.dev0"
