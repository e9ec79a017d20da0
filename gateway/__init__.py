"""The AEO mutual recognition gateway."""

__version__ = "0.1.0"
