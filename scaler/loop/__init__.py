"""Observe, decide, act."""
