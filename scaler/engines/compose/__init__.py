"""Docker Compose on one engine: replicas are its containers, made and taken away one by one."""
