"""Which of several scalers acts; on Swarm."""
