"""The command line of alertscale, and the checks that it runs."""
