"""What is asked of Prometheus."""
