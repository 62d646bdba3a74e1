"""The command line of alertscale, and what checks its configuration."""
