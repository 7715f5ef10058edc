"""Who is subscribed to which market streams; each frame is written once, however many get it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.domain.market import CandleUpdate, OrderBook, Ticker, TopOfBook, Trade
from gateway.domain.streams import Gap, Topic, TopicKind
from gateway.services.market_data import MarketData
from gateway.services.streams import MarketFrame, StreamHub
from gateway.web.facade import frames
from gateway.web.facade.requests import Body
from gateway.web.facade.stream_protocol import StreamName, write

_ALL_TICKERS = StreamName("allTickers")


@dataclass(frozen=True, eq=False, slots=True)
class Subscriber:
    """One connection: `tell` takes a frame and its slot, `lose` hears that frames are missing.

    A frame with a slot tells all of what it tells of, so that a newer one may take its place.
    Neither waits nor raises.
    """

    tell: Callable[[str, Hashable | None], None]
    lose: Callable[[], None]


class Subscriptions:
    """Follows each topic of the hub while somebody is subscribed to a stream that it tells."""

    def __init__(self, hub: StreamHub, market_data: MarketData) -> None:
        self._hub = hub
        self._market_data = market_data
        self._subscribers: dict[StreamName, set[Subscriber]] = {}
        self._holders: Counter[Topic] = Counter()

    @contextmanager
    def asked_for(self, topics: Collection[Topic]) -> Iterator[None]:
        """Have the topics followed meanwhile, so that all of them begin at once."""
        for topic in topics:
            self._hold(topic)
        try:
            yield
        finally:
            for topic in topics:
                self._let_go(topic)

    async def begun(self, topics: Iterable[Topic]) -> None:
        """Wait until the exchange tells of the topics, but not for long."""
        await asyncio.gather(*map(self._hub.is_told, topics))

    def join(self, name: StreamName, subscriber: Subscriber) -> bool:
        """Tell every frame of the stream from now on; False where the exchange tells none."""
        if not self._market_data.is_live(name.topic):
            return False
        self._hold(name.topic)
        self._subscribers.setdefault(name, set()).add(subscriber)
        return True

    def leave(self, name: StreamName, subscriber: Subscriber) -> None:
        """Tell nothing more to who has joined."""
        self._subscribers[name].discard(subscriber)
        if not self._subscribers[name]:
            del self._subscribers[name]
        self._let_go(name.topic)

    def _hold(self, topic: Topic) -> None:
        self._holders[topic] += 1
        if self._holders[topic] == 1:
            self._hub.follow(topic, self._tell)

    def _let_go(self, topic: Topic) -> None:
        self._holders[topic] -= 1
        if not self._holders[topic]:
            del self._holders[topic]
            self._hub.unfollow(topic, self._tell)

    def _tell(self, topic: Topic, told: MarketFrame | Gap) -> None:
        if isinstance(told, Gap):
            if topic.kind is TopicKind.TRADES:  # of the others, the next frame tells all again
                for subscriber in self._of(StreamName("trade", topic.symbol)):
                    subscriber.lose()
            return
        for name, body in _told(told):
            if subscribers := self._of(name):
                frame = write(body())
                slot = None if isinstance(told, Trade) else (name, told.symbol)
                for subscriber in subscribers:
                    subscriber.tell(frame, slot)

    def _of(self, name: StreamName) -> tuple[Subscriber, ...]:
        return tuple(self._subscribers.get(name, ()))


def _told(told: MarketFrame) -> list[tuple[StreamName, Callable[[], Body]]]:
    """The streams that tell it, and what each of them says."""
    match told:
        case Ticker(symbol=symbol):
            return [
                (_ALL_TICKERS, lambda: frames.all_tickers(told)),
                (StreamName("ticker", symbol), lambda: frames.ticker(told)),
            ]
        case CandleUpdate(symbol=symbol, interval=interval):
            name = StreamName("candles", symbol, interval.value.lower())
            return [(name, lambda: frames.candle(told))]
        case TopOfBook(symbol=symbol):
            return [(StreamName("orderBook", symbol), lambda: frames.top_of_book(told))]
        case OrderBook(symbol=symbol):
            return [(StreamName("depth", symbol), lambda: frames.order_book(told))]
        case Trade(symbol=symbol):
            return [(StreamName("trade", symbol), lambda: frames.trade(told))]
