"""What the Makefile does: a machine made ready, the stack up and down, backups, a Swarm on one machine.

It runs before any virtual environment exists, so it uses the standard library alone.
"""
