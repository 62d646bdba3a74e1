"""What the load is and whether the service held: everything about a load test that needs no Locust."""
