"""How the exchange is doing, as far as this process can tell."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.errors import ExchangeFailure
from gateway.domain.streams import FeedState
from gateway.exchange import ExchangeClient, ExchangeClock, Feed
from gateway.services.single_flight import SingleFlight

_FRESH_MS = 1000


@dataclass(frozen=True, slots=True)
class Reachability:
    """`server_time` (ms) and `offset_ms`, the exchange's clock minus ours; None when unknown."""

    reachable: bool
    server_time: int | None
    offset_ms: int | None
    feed: FeedState


class ExchangeStatus:
    """Asks the exchange for its time, at most once in `_FRESH_MS` however many callers ask."""

    def __init__(
        self,
        exchange: ExchangeClient,
        clock: ExchangeClock,
        feed: Feed,
        now: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._feed = feed
        self._now = now
        self._reads: SingleFlight[None, int | None] = SingleFlight()
        self._asked_at = 0
        self._answer: int | None = None

    @property
    def feed(self) -> FeedState:
        """The state of the public stream."""
        return self._feed.state

    async def read(self) -> Reachability:
        """Whether the exchange answers, what its clock says, and how its stream is doing."""
        if abs(self._now() - self._asked_at) >= _FRESH_MS:
            self._answer = await self._reads.join(None, self._ask)
        since = self._now() - self._asked_at
        return Reachability(
            reachable=self._answer is not None,
            server_time=None if self._answer is None else self._answer + since,
            offset_ms=self._clock.offset_ms,
            feed=self.feed,
        )

    async def _ask(self) -> int | None:
        try:
            answer = await self._exchange.server_time()
        except ExchangeFailure:
            answer = None
        self._asked_at = self._now()
        return answer
