"""Bytes to model and back: the only place that parses XML, verifies a signature or knows a dialect."""
