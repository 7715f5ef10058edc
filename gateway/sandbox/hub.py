"""Who listens to the streams, and the frames that events become for them."""

import asyncio
from collections.abc import Iterable

import msgspec

from gateway.sandbox import frames, replies
from gateway.sandbox.book import Book, Level
from gateway.sandbox.config import StreamOrderIds
from gateway.sandbox.events import BalanceChanged, BookChanged, Event, OrderChanged, Trade
from gateway.sandbox.exchange import Exchange
from gateway.sandbox.replies import Body
from gateway.sandbox.stream_protocol import StreamProtocol, Topic
from gateway.sandbox.tape import INTERVALS_MS

MOST_WAITING = 1024 * 1024


class _FrameQueue(asyncio.Queue[bytes]):
    """A queue that knows how many bytes wait in it."""

    waiting = 0

    def _put(self, item: bytes) -> None:
        self.waiting += len(item)
        super()._put(item)

    def _get(self) -> bytes:
        item = super()._get()
        self.waiting -= len(item)
        return item


class Subscriber:
    """The outgoing side of one stream connection: a queue of frames, bounded in number and bytes.

    ``cut`` is set when the connection shall end at once: on demand, or because it is too slow.
    """

    def __init__(self, protocol: StreamProtocol, queue_size: int) -> None:
        self.protocol = protocol
        self.frames = _FrameQueue(queue_size)
        self.cut = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Queue a frame, or cut the connection when too many wait, or too much."""
        if self.frames.full() or self.frames.waiting > MOST_WAITING:
            self.cut.set()
        else:
            self.frames.put_nowait(frame)


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """Connections of one account, or of one topic, or of both; of all when neither is named."""

    account: str | None = None
    topic: Topic | None = None

    def owns(self, subscriber: Subscriber) -> bool:
        """Whether a connection is logged in as the account, if one is named."""
        return self.account in (None, subscriber.protocol.account_id)

    def holds(self, subscriber: Subscriber) -> bool:
        """Whether it is a connection of the account, and subscribed to the topic."""
        follows = self.topic is None or self.topic in subscriber.protocol.topics
        return follows and self.owns(subscriber)


EVERYBODY = Audience()


class StreamHub:
    """All stream connections of an exchange.

    ``muted`` audiences stay connected. Those of a topic do not get its frames; the others hear
    nothing at all, not even replies.
    """

    def __init__(
        self,
        exchange: Exchange,
        queue_size: int,
        order_ids: StreamOrderIds = StreamOrderIds.SAME,
    ) -> None:
        self._exchange = exchange
        self._queue_size = queue_size
        self._order_ids = order_ids
        self._tops: dict[str, tuple[Level | None, Level | None]] = {}
        self._tickers: dict[str, Body] = {}
        self.subscribers: set[Subscriber] = set()
        self.muted: dict[Audience, None] = {}

    def join(self, client: str) -> Subscriber:
        """Add a connection from the address ``client``."""
        exchange = self._exchange
        protocol = StreamProtocol(exchange.engine.markets, exchange.authenticator, client)
        subscriber = Subscriber(protocol, self._queue_size)
        self.subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a connection."""
        self.subscribers.discard(subscriber)

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Take a client's message in and queue the replies."""
        self._send([subscriber], subscriber.protocol.receive(message))

    def cut(self, audience: Audience) -> None:
        """End connections without a closing handshake."""
        for subscriber in self._members(audience):
            subscriber.cut.set()

    def mute(self, audience: Audience) -> None:
        """Tell an audience nothing more, those that join it later included."""
        self.muted[audience] = None

    def unmute(self, audience: Audience) -> None:
        """Talk again to an audience that was muted; everybody means all that were."""
        if audience == EVERYBODY:
            self.muted.clear()
        else:
            self.muted.pop(audience, None)

    def inject(self, audience: Audience, text: str) -> int:
        """Send a frame as it is, muted or not; give the number of connections that got it."""
        members = self._members(audience)
        for subscriber in members:
            subscriber.offer(text.encode())
        return len(members)

    def publish(self, events: Iterable[Event]) -> None:
        """Tell all subscribers what happened in one operation.

        Trades, orders and balances one by one; of books, tickers and candles the final state.
        """
        changed: dict[str, None] = {}
        traded: set[str] = set()
        for event in events:
            match event:
                case Trade():
                    traded.add(event.symbol)
                    self._to_topic(Topic("trade", event.symbol), frames.trade(event))
                case OrderChanged(streamed=True):
                    self._to_account(
                        event.order.account_id, [frames.order(event.order, self._order_ids)]
                    )
                case BalanceChanged():
                    self._to_account(event.account_id, frames.balance(event))
                case BookChanged():
                    changed[event.symbol] = None
        for symbol in changed:
            self._publish_market(symbol, traded=symbol in traded)

    def publish_tickers(self) -> None:
        """Tell the statistics that the time alone has changed since they were told."""
        for symbol in self._tickers:
            self._publish_ticker(symbol)

    def _publish_market(self, symbol: str, *, traded: bool) -> None:
        book = self._exchange.engine.books[symbol]
        if self._listeners(topic := Topic("depth", symbol)):
            self._to_topic(topic, frames.order_book(symbol, book))
        if self._top_moved(symbol, book):
            self._to_topic(Topic("orderBook", symbol), frames.top_of_book(symbol, book))
        if traded:
            self._publish_candles(symbol)
        self._publish_ticker(symbol)

    def _top_moved(self, symbol: str, book: Book) -> bool:
        top = book.bids.best(), book.asks.best()
        moved = self._tops.get(symbol) != top
        self._tops[symbol] = top
        return moved

    def _publish_candles(self, symbol: str) -> None:
        series = self._exchange.engine.tapes[symbol].series
        for interval in INTERVALS_MS:
            body = frames.candle(symbol, interval, series[interval].candles[-1])
            self._to_topic(Topic("candles", symbol, interval), body)

    def _publish_ticker(self, symbol: str) -> None:
        """Tell a market's statistics unless they are those that were told last."""
        every, one = Topic("allTickers"), Topic("ticker", symbol)
        if not (self._listeners(every) or self._listeners(one)):
            return
        body = self._exchange.ticker_body(self._exchange.engine.markets[symbol])
        frame = frames.ticker(body)
        if frame != self._tickers.get(symbol):
            self._tickers[symbol] = frame
            self._to_topic(every, frames.all_tickers(body))
            self._to_topic(one, frame)

    def _listeners(self, topic: Topic) -> list[Subscriber]:
        return [one for one in self.subscribers if topic in one.protocol.topics]

    def _to_topic(self, topic: Topic, body: Body) -> None:
        self._send(self._listeners(topic), [body], topic)

    def _to_account(self, account_id: str, bodies: list[Body]) -> None:
        owners = [one for one in self.subscribers if one.protocol.account_id == account_id]
        self._send(owners, bodies)

    def _members(self, audience: Audience) -> list[Subscriber]:
        return [one for one in self.subscribers if audience.holds(one)]

    def _send(
        self, subscribers: list[Subscriber], bodies: list[Body], topic: Topic | None = None
    ) -> None:
        """Queue the bodies for those who are not muted; ``topic`` is theirs if they have one."""
        hearing = [one for one in subscribers if not self._is_muted(one, topic)]
        if not hearing:
            return
        for body in bodies:
            frame = replies.encode(body)
            for subscriber in hearing:
                subscriber.offer(frame)

    def _is_muted(self, subscriber: Subscriber, topic: Topic | None) -> bool:
        return any(
            audience.topic in (None, topic) and audience.owns(subscriber) for audience in self.muted
        )
