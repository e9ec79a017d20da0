"""The routes under ``/v1``, and those of operation."""
