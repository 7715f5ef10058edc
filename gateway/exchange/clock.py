"""What time it is at the exchange, never ahead of it.

The exchange accepts a request for as long as its time minus the request's timestamp is within the
window (heading 'Security'): a timestamp from the future prolongs the life of a captured request.
So the estimate errs on the old side.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_SAMPLES = 8
_ROUGH_S = 0.1
"""Behind by so much, an estimate eats a noticeable part of a window of a second."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """`server` (ms) was the exchange's time somewhere between `sent` and `received` (s)."""

    sent: float
    received: float
    server: int

    @property
    def round_trip(self) -> float:
        return self.received - self.sent


class ExchangeClock:
    """Estimates the exchange's time from samples of it.

    `wall` gives the machine's time in ms and serves only to tell the offset; `monotonic`, in
    seconds, carries the estimate on, so that a jump of the wall clock changes nothing. A sample
    counts for `lifetime` seconds.
    """

    def __init__(
        self,
        wall: Callable[[], int],
        monotonic: Callable[[], float],
        lifetime: float = 3600.0,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lifetime = lifetime
        self._samples: deque[_Sample] = deque(maxlen=_SAMPLES)

    def now(self) -> int | None:
        """Give the exchange's time in ms at the most, or None while nothing is known of it.

        The exchange read its clock before its answer arrived, so the time in the answer plus what
        has passed since the arrival is not ahead of it. The sample with the shortest round trip
        is the least behind.
        """
        time = self._monotonic()
        while self._samples and time - self._samples[0].received > self._lifetime:
            self._samples.popleft()
        if not self._samples:
            return None
        best = min(self._samples, key=lambda sample: sample.round_trip)
        return best.server + int((time - best.received) * 1000)

    @property
    def offset_ms(self) -> int | None:
        """How far the exchange's time is ahead of the machine's, in ms; None when not known."""
        now = self.now()
        return None if now is None else now - self._wall()

    @property
    def rough(self) -> bool:
        """Whether another sample soon may tell the time much better.

        No longer once as many as are kept tell that the way to the exchange is just that long.
        """
        shortest = min((sample.round_trip for sample in self._samples), default=0.0)
        return shortest > _ROUGH_S and len(self._samples) < _SAMPLES

    async def synchronise(self, fetch: Callable[[], Awaitable[int]]) -> None:
        """Take a sample: `fetch` asks the exchange for its time, once ('Check Server Time')."""
        sent = self._monotonic()
        server = await fetch()
        self._samples.append(_Sample(sent, self._monotonic(), server))
