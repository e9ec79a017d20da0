"""Keeping an installation well: what ends, what grows, what may go, and what production asks for."""
