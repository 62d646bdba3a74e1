"""Docker Swarm: replicas are tasks, of which it keeps a count by itself."""
