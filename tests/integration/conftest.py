"""What holds for every test on a real engine."""

from tests.engines.alive import pytest_exception_interact

__all__ = ["pytest_exception_interact"]
