"""A running stack, its load and its faults, for tests and benchmarks."""
