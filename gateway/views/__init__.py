"""Read models for terminal, HTTP and console. Nothing here writes."""
