"""alertscale's webhook receiver: turns alerts that fire into replicas that follow the load."""
