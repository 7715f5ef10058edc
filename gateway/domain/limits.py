"""Rates, and how much of a limit is left."""

import re
from dataclasses import dataclass
from decimal import Decimal

_RATE = re.compile(r"([1-9][0-9]{0,6})/(s|min|h)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in any `per_s` seconds."""

    count: int
    per_s: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read "10/s", "600/min" or "5000/h"; raise `ValueError` for anything else."""
        found = _RATE.fullmatch(text)
        if found is None:
            message = "expected a rate such as '10/s', '600/min' or '5000/h'"
            raise ValueError(message)
        return cls(int(found[1]), _SECONDS[found[2]])

    def __str__(self) -> str:
        """Write it as it is read."""
        unit = next((unit for unit, seconds in _SECONDS.items() if seconds == self.per_s), None)
        return f"{self.count}/{unit or f'{self.per_s}s'}"


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit by its name, how much of it is left, and when (ms) it is whole again, if ever.

    `per_s` is the span in seconds of a limit that is a rate.
    """

    name: str
    limit: Decimal
    remaining: Decimal
    resets_at: int | None = None
    per_s: int | None = None
