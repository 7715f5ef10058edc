"""Meeting many orders at the same step of the journal, to end a gateway just there."""

import time
from collections.abc import Callable
from enum import Enum
from threading import Condition, Event

from tests.faults.journal_wire import BEGIN, CHANGE, Hook, Moment, Write

_QUIET_S = 0.7
_NOBODY_S = 8.0
_HELD_S = 20.0


class Step(Enum):
    """The steps of a placement that the journal writes down."""

    BEGIN = "begin"
    OUTCOME = "outcome"
    LAPSE = "lapse"
    RESOLUTION = "resolution"


def step_of(write: Write) -> Step:
    """Which step a write is."""
    if write.script == BEGIN:
        return Step.BEGIN
    assert write.script == CHANGE
    if write.before in ("UNKNOWN", "IN_DOUBT", "NOT_PLACED"):
        return Step.RESOLUTION
    return Step.LAPSE if write.taken_over else Step.OUTCOME


class Ambush:
    """Holds every write of one step at one moment, until it is sprung; then none of them goes on.

    `hook(name)` is for the wire of the replica of that name; `caught` has the names of those that
    were met, the first one first.
    """

    def __init__(self, step: Step, moment: Moment) -> None:
        self._step = step
        self._moment = moment
        self._news = Condition()
        self._accounts: set[str] = set()
        self._last = 0.0
        self._sprung = Event()
        self._spared: set[str] = set()
        self.caught: list[str] = []

    def hook(self, name: str) -> Hook:
        """What the wire of a replica asks."""

        def met(write: Write, moment: Moment) -> bool:
            if self._sprung.is_set() or moment is not self._moment or step_of(write) != self._step:
                return True
            with self._news:
                if name not in self.caught:
                    self.caught.append(name)
                self._accounts.add(write.account)
                self._last = time.monotonic()
                self._news.notify_all()
            self._sprung.wait(_HELD_S)
            return name in self._spared

        return met

    def wait(self, accounts: int) -> int:
        """Wait for writes of so many accounts, or until no more seem to come; give how many did."""
        deadline = time.monotonic() + _NOBODY_S
        with self._news:
            while len(self._accounts) < accounts and time.monotonic() < deadline:
                self._news.wait(0.05)
                if self._accounts and time.monotonic() - self._last > _QUIET_S:
                    break
            return len(self._accounts)

    def spring(self, deed: Callable[[list[str]], None], *, on_all: bool = True) -> None:
        """Do the deed to those that were caught, or to the first of them, and end their writes.

        Who is spared goes on.
        """
        met = self.caught if on_all else self.caught[:1]
        self._spared = set(self.caught) - set(met)
        deed(list(met))
        self._sprung.set()
