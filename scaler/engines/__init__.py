"""Docker: one module a kind of engine, behind the protocols of ``contract``."""
