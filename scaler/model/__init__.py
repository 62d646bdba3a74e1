"""Values and words that all rooms share; no I/O, no threads, no clock."""
