"""flask-app, the demo service: routes that load one replica's CPU, memory and threads on demand."""
