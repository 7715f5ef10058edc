"""The one deadline of a stop, and how its parts share the time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from gateway.services.audit import AuditTrail
from gateway.services.cancels import Cancels
from gateway.services.orders import Orders
from gateway.store.journal import OrderJournal

_REQUESTS_UNTIL = 0.8
_RECORDS_UNTIL = 0.9
_CLOSING = 0.05


class StopDeadline:
    """From the signal to the end of the process there are `grace_s` seconds.

    Requests and orders under way come first, then the journal's records, then the connections.
    What a part does not need is left to the next. `monotonic` is a clock in seconds.
    """

    def __init__(self, grace_s: float, monotonic: Callable[[], float]) -> None:
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._began: float | None = None

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        if self._began is None:
            self._began = self._monotonic()

    def for_requests(self) -> float:
        """Seconds that requests and orders under way still have."""
        return self._left(_REQUESTS_UNTIL)

    def for_records(self) -> float:
        """Seconds that what waits for the journal still has."""
        return self._left(_RECORDS_UNTIL)

    @property
    def for_closing(self) -> float:
        """Seconds for one round of closing connections; there are two, stream and REST."""
        return self._grace_s * _CLOSING

    def _left(self, share: float) -> float:
        self.begin()
        assert self._began is not None  # noqa: S101  # it has just begun
        return max(0.0, self._began + self._grace_s * share - self._monotonic())


async def settle(
    orders: Orders, cancels: Cancels, journal: OrderJournal, audit: AuditTrail, stop: StopDeadline
) -> None:
    """Let orders and cancels under way end, and what is in memory have a last chance to be kept."""
    within_s = stop.for_requests()
    await asyncio.gather(orders.aclose(within_s), cancels.aclose(within_s))
    with suppress(TimeoutError):
        async with asyncio.timeout(stop.for_records()):
            await asyncio.gather(journal.caught_up(), audit.finish())
