"""What can go wrong in a benchmark, each with the way out in its text."""


class BenchError(Exception):
    """A benchmark could not be run; the text says why, and what to do."""


class ResultFileError(BenchError):
    """A file of results cannot be read."""
