"""Docker, behind the protocols of ``contract``: a room each for Compose and Swarm, and nginx' container."""
