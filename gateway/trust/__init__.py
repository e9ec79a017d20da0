"""Keys and certificates at a moment in time."""
