"""The one deadline of a stop, and how its parts share the time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

_SOCKETS_UNTIL = 0.5
_REQUESTS_UNTIL = 0.8
_RECORDS_UNTIL = 0.9
_CLOSING = 0.05
_APART_S = 0.1
"""Fewer peers than would fill the time make no rush when they come back: they need not take it."""


class StopDeadline:
    """From the signal to the end of the process there are `grace_s` seconds.

    Requests and orders under way come first, and beside them the peers of open sockets, who are
    sent away one by one; then the records, then the connections. What a part does not need is left
    to the next. `monotonic` is a clock in seconds.
    """

    def __init__(self, grace_s: float, monotonic: Callable[[], float]) -> None:
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._began: float | None = None

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        if self._began is None:
            self._began = self._monotonic()

    @property
    def begun(self) -> bool:
        """Whether the time runs: nothing new is begun then."""
        return self._began is not None

    def for_sockets(self) -> float:
        """Seconds over which the peers of open sockets are sent away."""
        return self._left(_SOCKETS_UNTIL)

    def for_requests(self) -> float:
        """Seconds that requests and orders under way still have."""
        return self._left(_REQUESTS_UNTIL)

    def for_records(self) -> float:
        """Seconds that what waits to be recorded still has."""
        return self._left(_RECORDS_UNTIL)

    @property
    def for_closing(self) -> float:
        """Seconds for one round of closing connections; there are two, stream and REST."""
        return self._grace_s * _CLOSING

    def _left(self, share: float) -> float:
        self.begin()
        assert self._began is not None  # noqa: S101  # it has just begun
        return max(0.0, self._began + self._grace_s * share - self._monotonic())


async def one_by_one(endings: Sequence[Callable[[], Awaitable[None]]], over_s: float) -> None:
    """Begin each in its turn, evenly within `over_s` seconds, and return when all have ended.

    So those who come back elsewhere do not come all at once.
    """
    apart = min(over_s / max(1, len(endings)), _APART_S)

    async def in_turn(place: int, ending: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(place * apart)
        await ending()

    await asyncio.gather(*(in_turn(place, ending) for place, ending in enumerate(endings)))
