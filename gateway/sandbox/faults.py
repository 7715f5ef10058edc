"""Faults on demand: what a REST endpoint shall do wrong, and how many times."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

EVERY_ENDPOINT = "*"


class Outcome(StrEnum):
    """How a request goes wrong, and whether it takes effect all the same."""

    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    HTML_500 = "html-500"
    UNEXPECTED_BEFORE = "code-90000-before"
    UNEXPECTED_AFTER = "code-90000-after"

    @property
    def executes(self) -> bool:
        """Whether the request is executed before its reply goes wrong."""
        return self in (Outcome.DROP_AFTER, Outcome.UNEXPECTED_AFTER)


@dataclass(frozen=True, slots=True)
class Fault:
    """What shall happen to requests to ``endpoint`` (a path as in the document, or ``*``).

    The delays are in milliseconds, before executing and before replying. ``count`` requests are
    hit, or all until the faults are cleared when it is None.
    """

    endpoint: str = EVERY_ENDPOINT
    outcome: Outcome | None = None
    delay_ms: int = 0
    reply_delay_ms: int = 0
    count: int | None = None


NO_FAULT = Fault()


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, fault: Fault) -> None:
        """Set a fault, behind those that are set."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Behave again."""
        self._faults.clear()

    def take(self, endpoint: str) -> Fault:
        """The oldest fault for a request to this endpoint, which uses it up once."""
        for position, fault in enumerate(self._faults):
            if fault.endpoint in (endpoint, EVERY_ENDPOINT):
                self._use_up(position, fault)
                return fault
        return NO_FAULT

    def _use_up(self, position: int, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count <= 1:
            del self._faults[position]
        else:
            self._faults[position] = replace(fault, count=fault.count - 1)
