"""The pure heart: no file, socket, clock, thread or database. Time, keys and data are arguments."""
