"""Who gets requests."""
