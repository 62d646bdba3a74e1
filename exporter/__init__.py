"""Per-container CPU, memory and limits for Prometheus, under cAdvisor's names and labels."""
