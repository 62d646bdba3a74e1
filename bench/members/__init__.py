"""One module for each benchmark: what it needs, how it is run, how it is drawn."""
