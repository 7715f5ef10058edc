"""One upstream connection for all subscribers of public market data.

Topics are counted by their subscribers. Tickers, books and candles conflate to the latest; trades
never drop: a `Gap` marks what may be missing, and a fresh snapshot follows it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import Any, TypeAlias

from gateway.domain.errors import ExchangeFailure, RateLimited
from gateway.domain.market import (
    CandleInterval,
    CandleSeries,
    CandleUpdate,
    DataSource,
    MarketKey,
    OrderBook,
    Snapshot,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.streams import (
    Broken,
    FeedEvent,
    Gap,
    Started,
    Topic,
    TopicKind,
    Update,
    Withheld,
)
from gateway.exchange import Feed
from gateway.services.mailbox import Mailbox
from gateway.services.market_data import LISTING, MarketData
from gateway.services.market_memory import key_of
from gateway.services.trade_tape import TradeTape

ALL_TICKERS = Topic(TopicKind.ALL_TICKERS)

MarketFrame: TypeAlias = Ticker | TopOfBook | OrderBook | CandleUpdate | Trade
"""What a frame of a market's topic tells."""

Follower: TypeAlias = Callable[[Topic, MarketFrame | Gap], None]
"""Takes what a topic tells. It neither waits nor raises."""

_MEND_FOLLOWED_AFTER_S = 0.5
_RESYNC_PAUSES_S = (0.5, 1.0, 2.0, 5.0)


class StreamHub:
    """Spreads the feed's frames to the mailboxes of the subscribers; never waits for one.

    A new topic gets `start_within_s` to start, so that its first snapshot can be a fresh one; it
    stays subscribed for `linger_s` after its last subscriber left. `mend_after_s` passes between a
    frame that was withheld and the refetch of what it outdated, or less where somebody follows the
    frames themselves.
    """

    def __init__(
        self,
        *,
        feed: Feed,
        market_data: MarketData,
        queue_size: int,
        linger_s: float,
        now: Callable[[], int],
        start_within_s: float = 2.0,
        mend_after_s: float = 5.0,
    ) -> None:
        self._feed = feed
        self._market_data = market_data
        self._queue_size = queue_size
        self._linger_s = linger_s
        self._now = now
        self._start_within_s = start_within_s
        self._mend_after_s = mend_after_s
        self._mailboxes: dict[Topic, set[Mailbox[Any]]] = {}
        self._followers: dict[Topic, set[Follower]] = {}
        self._owed: set[MarketKey] = set()
        self._tapes: dict[Topic, TradeTape] = {}
        self._leaving: dict[Topic, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resyncs: dict[Topic, asyncio.Task[None]] = {}
        self._started: dict[Topic, asyncio.Event] = {}

    def start(self) -> None:
        """Ask for every ticker from now on: no ticker is polled while the feed lives."""
        self._feed.want(ALL_TICKERS)

    async def aclose(self) -> None:
        """Cancel what is under way."""
        for timer in self._leaving.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def receive(self, event: FeedEvent) -> None:
        """Take what the feed tells; the feed calls this for each frame, so it never waits."""
        snapshot = self._market_data.receive(event)
        self._tell_frame(event)
        match event:
            case Update(topic=topic, value=Trade() as trade):
                if tape := self._tapes.get(topic):
                    tape.receive(trade)
            case Update(topic=topic, value=CandleUpdate() as update):
                told = Snapshot(update, event.time, DataSource.STREAM)
                self._put(topic, told, update.symbol)
            case Update(topic=topic, value=Ticker() | TopOfBook() | OrderBook() as known):
                if snapshot is not None:
                    self._put(topic, snapshot, known.symbol)
            case Started(topic=topic):
                self._start(topic)
            case Broken(topics=topics, since=since, reason=reason):
                known_topics = {*self._mailboxes, *self._followers, *self._resyncs}
                for topic in known_topics if topics is None else topics:
                    self._break(topic, Gap(since, reason))
            case Withheld(topic=topic, symbol=symbol):
                self._outdate(topic, key_of(topic, symbol))

    async def tickers(self, symbols: Sequence[str]) -> AsyncIterator[Snapshot[Ticker]]:
        """The tickers of `symbols`, each first as it is known, then whenever it changes."""
        wanted = frozenset(symbols)
        with self._joined(ALL_TICKERS) as mailbox:
            await self._market_data.every_ticker(symbols)
            await self._until_started(ALL_TICKERS)
            for symbol in symbols:
                key = key_of(ALL_TICKERS, symbol)
                yield self._as_told(ALL_TICKERS, await self._market_data.read(key))
            async for snapshot in mailbox:
                if snapshot.value.symbol in wanted:
                    yield snapshot

    def top_of_book(self, symbol: str) -> AsyncIterator[Snapshot[TopOfBook]]:
        """The best bid and ask: first as it is known, then whenever it changes."""
        return self._latest(Topic(TopicKind.TOP_OF_BOOK, symbol))

    def order_book(self, symbol: str) -> AsyncIterator[Snapshot[OrderBook]]:
        """The whole book: first as it is known, then whenever it changes."""
        return self._latest(Topic(TopicKind.ORDER_BOOK, symbol))

    def candles(
        self, symbol: str, interval: CandleInterval
    ) -> AsyncIterator[Snapshot[CandleUpdate]]:
        """The candle now open: first as it is known, then whenever it changes."""
        return self._latest(Topic(TopicKind.CANDLES, symbol, interval))

    async def trades(self, symbol: str) -> AsyncIterator[Trade | Gap]:
        """The last trades, oldest first, then each new one; after a break a `Gap`, then again."""
        topic = Topic(TopicKind.TRADES, symbol)
        if not self._market_data.is_live(topic):
            await self._market_data.read(key_of(topic))  # says so when the exchange is away
        tape = self._tapes.setdefault(topic, TradeTape())
        with self._joined(topic, tape.mailboxes) as mailbox:
            for trade in tape.shown():
                mailbox.put(trade)
            async for event in mailbox:
                yield event

    def follow(self, topic: Topic, follower: Follower) -> None:
        """Tell every frame of `topic` from now on, and nothing of what was told before.

        A `Gap` says that frames may be missing. Of tickers, books and candles, what stands is told
        as soon as it is known again; trades that are missing are not made up for.
        """
        self._followers.setdefault(topic, set()).add(follower)
        self._feed.want(topic)

    def unfollow(self, topic: Topic, follower: Follower) -> None:
        """Tell nothing more."""
        followers = self._followers.get(topic, set())
        followers.discard(follower)
        if not followers:
            self._owed.difference_update(self._keys(topic))
        self._leave_soon(topic)

    async def is_told(self, topic: Topic) -> bool:
        """Whether every frame of `topic` comes in, once a new one has had time to start."""
        await self._until_started(topic)
        return self._market_data.is_live(topic)

    async def _latest(self, topic: Topic) -> AsyncIterator[Snapshot[Any]]:
        with self._joined(topic) as mailbox:
            known = await self._market_data.read(key_of(topic))
            await self._until_started(topic)
            if (told := _told(self._market_data.shown(key_of(topic)) or known)) is not None:
                yield self._as_told(topic, told)
            async for snapshot in mailbox:
                yield snapshot

    @contextmanager
    def _joined(
        self, topic: Topic, also: set[Mailbox[Any]] | None = None
    ) -> Iterator[Mailbox[Any]]:
        mailbox: Mailbox[Any] = Mailbox(self._queue_size)
        joined = self._mailboxes.setdefault(topic, set())
        if also is not None:
            also.add(mailbox)
        joined.add(mailbox)
        self._feed.want(topic)
        try:
            yield mailbox
        finally:
            joined.discard(mailbox)
            if also is not None:
                also.discard(mailbox)
            self._leave_soon(topic)

    def _is_heard(self, topic: Topic) -> bool:
        return bool(self._mailboxes.get(topic) or self._followers.get(topic))

    def _leave_soon(self, topic: Topic) -> None:
        if topic == ALL_TICKERS or self._is_heard(topic):
            return
        if (timer := self._leaving.get(topic)) is not None:  # one a topic, however many come and go
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._leaving[topic] = loop.call_later(self._linger_s, self._leave, topic)

    def _leave(self, topic: Topic) -> None:
        del self._leaving[topic]
        if not self._is_heard(topic):
            self._feed.unwant(topic)
            self._mailboxes.pop(topic, None)
            self._followers.pop(topic, None)
            self._tapes.pop(topic, None)
            self._started.pop(topic, None)
            self.receive(Broken(self._now(), "nobody listens", frozenset({topic})))

    async def _until_started(self, topic: Topic) -> None:
        """Give the topic a moment to start, so that a first snapshot need not be called stale."""
        started = self._started.setdefault(topic, asyncio.Event())
        if self._market_data.is_live(topic):
            return
        started.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._start_within_s):
                await started.wait()

    def _as_told(self, topic: Topic, snapshot: Snapshot[Any]) -> Snapshot[Any]:
        """Stale unless the topic tells every change: nobody tells subscribers when it ages."""
        return replace(snapshot, stale=snapshot.stale or not self._market_data.is_live(topic))

    def _put(self, topic: Topic, snapshot: Snapshot[Any], slot: str) -> None:
        for mailbox in self._mailboxes.get(topic, ()):
            mailbox.put(snapshot, slot)

    def _tell_frame(self, event: FeedEvent) -> None:
        match event:
            case Update(
                topic=topic,
                value=Ticker() | TopOfBook() | OrderBook() | CandleUpdate() | Trade() as told,
            ):
                self._owed.discard(key_of(topic, told.symbol))
                self._tell(topic, told)

    def _tell(self, topic: Topic, told: MarketFrame | Gap) -> None:
        for follower in tuple(self._followers.get(topic, ())):
            follower(topic, told)

    def _owe(self, topic: Topic, keys: Iterable[MarketKey]) -> bool:
        """Tell followers the values of `keys` once they are known again; False: there are none."""
        owed = bool(self._followers.get(topic)) and topic.kind is not TopicKind.TRADES
        self._owed.update(keys if owed else ())
        return owed

    def _start(self, topic: Topic) -> None:
        self._stop_resync(topic)
        if started := self._started.get(topic):
            started.set()
        if tape := self._tapes.get(topic):
            tape.syncing()
        self._resyncs[topic] = self._begin(self._resync(topic))

    def _break(self, topic: Topic, gap: Gap) -> None:
        self._stop_resync(topic)
        self._tell(topic, gap)
        self._owe(topic, self._keys(topic))
        if tape := self._tapes.get(topic):
            tape.broken(gap)
            return
        for key in self._keys(topic):
            # Though it may be fresh by its age: nobody tells these subscribers when that ends.
            self._show(topic, key, stale=True)

    def _outdate(self, topic: Topic, key: MarketKey) -> None:
        """Call `key` stale, and read it by REST in a while, for the next frame may be far."""
        self._show(topic, key, stale=True)
        after = self._mend_after_s
        if self._owe(topic, [key]):
            after = min(after, _MEND_FOLLOWED_AFTER_S)
        resync = self._resyncs.get(topic)
        if self._is_heard(topic) and (resync is None or resync.done()):
            self._resyncs[topic] = self._begin(self._resync(topic, after))

    def _keys(self, topic: Topic) -> list[MarketKey]:
        if topic == ALL_TICKERS:
            return self._market_data.known_tickers()
        return [key_of(topic)]

    def _show(self, topic: Topic, key: MarketKey, *, stale: bool = False) -> None:
        snapshot = self._market_data.shown(key)
        if snapshot is None or (told := _told(snapshot)) is None:
            return
        told = replace(told, stale=stale or told.stale)
        self._put(topic, told, key.symbol)
        if key in self._owed and not told.stale:
            self._owed.discard(key)
            self._tell(topic, told.value)

    def _stop_resync(self, topic: Topic) -> None:
        """A history asked for before a break must not stand for what came after it."""
        if (task := self._resyncs.pop(topic, None)) is not None:
            task.cancel()

    async def _resync(self, topic: Topic, after: float = 0.0) -> None:
        """Refetch until it helps: without it the topic's trades would be held back for ever."""
        for pause in chain([after], _RESYNC_PAUSES_S, repeat(_RESYNC_PAUSES_S[-1])):
            await asyncio.sleep(pause)
            with suppress(ExchangeFailure, RateLimited):
                if await self._refetch(topic):
                    return

    async def _refetch(self, topic: Topic) -> bool:
        """Read by REST what the topic told nothing of before it started; False: do it again.

        What the topic told meanwhile may outdate the answer; then it is not told to anybody.
        """
        key = key_of(topic)
        if topic == ALL_TICKERS:
            await self._market_data.refetch(LISTING)
            for each in self._keys(topic):
                self._show(topic, each, stale=not self._market_data.is_whole(each))
        elif tape := self._tapes.get(topic):
            history: Snapshot[TradeHistory] = await self._market_data.refetch(key, own=False)
            tape.synced(history.value)
        elif topic in self._mailboxes or key in self._owed:
            await self._market_data.refetch(key, own=False)
            if not self._market_data.is_whole(key):
                return False
            self._show(topic, key)
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _told(snapshot: Snapshot[Any]) -> Snapshot[Any] | None:
    """The snapshot as subscribers are told it: of a candle series, the candle now open."""
    match snapshot.value:
        case CandleSeries(symbol=symbol, interval=interval, candles=[*_, last]):
            return replace(snapshot, value=CandleUpdate(symbol, interval, last))
        case CandleSeries():
            return None
        case _:
            return snapshot
