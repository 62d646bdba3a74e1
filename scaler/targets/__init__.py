"""Where replicas live: one module per kind of engine, behind the protocol of ``base``."""
