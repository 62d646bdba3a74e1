"""Gets a machine ready for the stack: Docker Engine, Compose, base images without a registry.

It runs before any virtual environment exists, so it uses the standard library alone.
"""
