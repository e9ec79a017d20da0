"""The same capabilities for a terminal."""
