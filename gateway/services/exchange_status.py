"""How the exchange is doing, as far as this process can tell."""

from dataclasses import dataclass

from gateway.domain.errors import ExchangeFailure
from gateway.domain.streams import FeedState
from gateway.exchange import ExchangeClient, ExchangeClock, Feed
from gateway.services.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Reachability:
    """`server_time` (ms) and `offset_ms`, the exchange's clock minus ours; None when unknown."""

    reachable: bool
    server_time: int | None
    offset_ms: int | None
    feed: FeedState


class ExchangeStatus:
    """Asks the exchange for its time; callers at once share one request."""

    def __init__(self, exchange: ExchangeClient, clock: ExchangeClock, feed: Feed) -> None:
        self._exchange = exchange
        self._clock = clock
        self._feed = feed
        self._reads: SingleFlight[None, int] = SingleFlight()

    @property
    def feed(self) -> FeedState:
        """The state of the public stream."""
        return self._feed.state

    async def read(self) -> Reachability:
        """Whether the exchange answers, what its clock says, and how its stream is doing."""
        try:
            server_time = await self._reads.join(None, self._exchange.server_time)
        except ExchangeFailure:
            return Reachability(
                reachable=False, server_time=None, offset_ms=self._clock.offset_ms, feed=self.feed
            )
        return Reachability(
            reachable=True,
            server_time=server_time,
            offset_ms=self._clock.offset_ms,
            feed=self.feed,
        )
