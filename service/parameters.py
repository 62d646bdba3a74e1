"""Numbers in a query string, each with the bounds that keep one request from harming a replica."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


class BadParameterError(Exception):
    """A parameter is not a number or is out of its range.

    Attributes:
        parameter: Its name in the query string.
        value: What the client sent.
        allowed: The range in words.
    """

    def __init__(self, *, parameter: str, value: str, allowed: str) -> None:
        super().__init__(f"{parameter}={value!r} must be {allowed}")
        self.parameter = parameter
        self.value = value
        self.allowed = allowed


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One number that a route understands.

    Attributes:
        name: Its name in the query string.
        default: The value when the client sends none.
        low: The least value allowed.
        high: The greatest value allowed.
        unit: What it counts, for the message to the client.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str

    def read(self, query: Mapping[str, str]) -> float:
        """Return the value in the query, or the default.

        Raises:
            BadParameterError: The value is not a number from `low` to `high`.
        """
        text = query.get(self.name)
        if text is None:
            return self.default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if self.low <= value <= self.high:
            return value
        allowed = f"a number from {self.low:g} to {self.high:g} ({self.unit})"
        raise BadParameterError(parameter=self.name, value=text[:100], allowed=allowed)
