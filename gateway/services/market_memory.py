"""Market data in process memory: what is known, how fresh it is, and which write wins."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain.market import (
    CandleSeries,
    CandleUpdate,
    DataSource,
    MarketKey,
    MarketKind,
    MarketListing,
    MarketValue,
    OrderBook,
    Snapshot,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.streams import Topic, TopicKind, Update
from gateway.services.stream_logs import TRADES_KEPT, CandleLog, TradeLog, continued
from gateway.setting_values import Lifetime

_FED_KINDS = {
    TopicKind.ALL_TICKERS: MarketKind.TICKER,
    TopicKind.TICKER: MarketKind.TICKER,
    TopicKind.TOP_OF_BOOK: MarketKind.TOP_OF_BOOK,
    TopicKind.ORDER_BOOK: MarketKind.ORDER_BOOK,
    TopicKind.TRADES: MarketKind.TRADES,
    TopicKind.CANDLES: MarketKind.CANDLES,
}
_TOPIC_KINDS = {
    MarketKind.TICKER: TopicKind.TICKER,
    MarketKind.TOP_OF_BOOK: TopicKind.TOP_OF_BOOK,
    MarketKind.ORDER_BOOK: TopicKind.ORDER_BOOK,
    MarketKind.TRADES: TopicKind.TRADES,
    MarketKind.CANDLES: TopicKind.CANDLES,
}
_MOVED_BY_ORDERS = frozenset(_TOPIC_KINDS)


def feeding_topics(key: MarketKey) -> tuple[Topic, ...]:
    """The topics whose frames keep `key` up to date; none for what no stream tells."""
    kind = _TOPIC_KINDS.get(key.kind)
    if kind is None or key.start is not None or key.end is not None:
        return ()
    own = Topic(kind, key.symbol, key.interval)
    return (Topic(TopicKind.ALL_TICKERS), own) if kind is TopicKind.TICKER else (own,)


def key_of(topic: Topic, symbol: str | None = None) -> MarketKey:
    """The key that `topic` feeds; of every ticker's topic, the key of the market `symbol`."""
    return MarketKey(_FED_KINDS[topic.kind], topic.symbol or symbol or "", topic.interval)


def fed_key(update: Update) -> MarketKey | None:
    """The key that a frame belongs to; None for the frames of an account."""
    match update.value:
        case Ticker(symbol=symbol):
            return MarketKey(MarketKind.TICKER, symbol)
        case TopOfBook(symbol=symbol):
            return MarketKey(MarketKind.TOP_OF_BOOK, symbol)
        case OrderBook(symbol=symbol):
            return MarketKey(MarketKind.ORDER_BOOK, symbol)
        case Trade(symbol=symbol):
            return MarketKey(MarketKind.TRADES, symbol)
        case CandleUpdate(symbol=symbol, interval=interval):
            return MarketKey(MarketKind.CANDLES, symbol, interval)
        case _:
            return None


_SWEEP_EVERY_MS = 10_000
_BOUNDED_SHARE = 4
"""Candles of some time may take this part of all rows: they push out one another, not prices."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A snapshot as it was when it came, the count of frames that it includes, and its rows."""

    snapshot: Snapshot[Any]
    counter: int
    rows: int


class MarketMemory:
    """The newest known value of each key, within a bound.

    The values have `capacity` rows at most, see `rows_of`: the least recently used ones are
    dropped, and now and then those past their hard lifetime. Candle series with bounds have a
    quarter of it at most; those that can change no more are fresh for their hard lifetime.

    A counter counts all frames and starts of topics. A frame's value carries the count at its
    arrival, an answer of the exchange the count at its request: so an answer that was begun before
    the newest frame loses against it; a history is joined to the frames told since. A value is
    fresh while a topic that feeds it is live and it includes all of that topic's frames; without
    such a topic, until its soft lifetime ends.

    An order moves its market before a topic tells of it, if it ever does. So freshness does not
    make a value current once its market is outdated: it must be of a later count.
    """

    def __init__(
        self,
        *,
        lifetime: Callable[[MarketKind], Lifetime],
        now: Callable[[], int],
        capacity: int,
    ) -> None:
        self._lifetime = lifetime
        self._now = now
        self._capacity = capacity
        self._entries: OrderedDict[MarketKey, Entry] = OrderedDict()
        self._started: dict[Topic, int] = {}
        self._trade_logs: dict[Topic, TradeLog] = {}
        self._candle_logs: dict[Topic, CandleLog] = {}
        self._last_frame: dict[MarketKey, int] = {}
        self._last_withheld: dict[MarketKey, int] = {}
        self._outdated: dict[str, int] = {}
        self._rows = 0
        self._bounded_rows = 0
        self._swept = now()
        self._forgotten = 0
        self._counter = 0

    def mark(self) -> int:
        """The count to hand to `offer` with the answer of a request that begins now."""
        return self._counter

    def fresh(self, key: MarketKey) -> Snapshot[Any] | None:
        """The snapshot of `key` if it is fresh; the same object as long as nothing changed."""
        entry = self._entries.get(key)
        if entry is None or not self._is_fresh(key, entry):
            return None
        self._entries.move_to_end(key)
        return entry.snapshot

    def shown(self, key: MarketKey) -> Snapshot[Any] | None:
        """The snapshot of `key`, marked stale if it is; None past its hard lifetime."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._is_fresh(key, entry):
            return entry.snapshot
        if self._is_past(key, entry):
            return None
        return replace(entry.snapshot, stale=True)

    def offer(
        self, key: MarketKey, value: MarketValue, *, begun: int, source: DataSource
    ) -> Snapshot[Any]:
        """Take an answer of the exchange, asked for at `begun`; return what stands afterwards."""
        entry = self._entries.get(key)
        if entry is not None and entry.counter > begun:
            standing = self.shown(key)
            if standing is not None:
                return standing
        if entry is None and begun < self._forgotten:
            begun = 0  # frames of this key may have come meanwhile, and been dropped with it
        joined = self._joined(key, value, begun)
        if joined is not None:
            value, begun = joined, max(begun, self._last_frame.get(key, 0))
        return self._keep(key, Snapshot(value, self._now(), source), begun).snapshot

    def recall(self, key: MarketKey, value: MarketValue, as_of: int) -> None:
        """Take what the shared cache holds, unless something fresh or newer is known here.

        It counts as begun before all frames, for nobody knows which of them it includes. So it
        never takes the place of what a live topic keeps fresh, however long ago its last frame was.
        """
        entry = self._entries.get(key)
        if entry is None or (not self._is_fresh(key, entry) and entry.snapshot.as_of < as_of):
            self._keep(key, Snapshot(value, as_of, DataSource.CACHE), 0)

    def receive(self, update: Update) -> Snapshot[Any] | None:
        """Take a frame; return the snapshot that it makes of its key, if any."""
        key = fed_key(update)
        if key is None:
            return None
        entry = self._entries.get(key)
        whole = entry is not None and self._is_live(key, entry.counter)
        self._counter += 1
        self._last_frame[key] = self._counter
        value = self._grown(update, entry.snapshot.value if entry and whole else None)
        if value is None:
            return None
        snapshot = Snapshot(value, update.time, DataSource.STREAM)
        return self._keep(key, snapshot, self._counter).snapshot

    def withheld(self, topic: Topic, symbol: str) -> None:
        """`topic` told something of `symbol` that has no meaning: what is known is outdated."""
        self._counter += 1
        self._last_withheld[key_of(topic, symbol)] = self._counter

    def outdate(self, symbol: str) -> None:
        """Something was done in the market `symbol` that nothing known may tell of yet."""
        self._counter += 1
        self._outdated[symbol] = self._counter

    def is_outdated(self, key: MarketKey) -> bool:
        """True until a frame or an answer is known that came or was asked for since `outdate`."""
        if key.kind not in _MOVED_BY_ORDERS:
            return False
        if self.counter(key) >= self._outdated.get(key.symbol, 0):
            return False
        entry = self._entries.get(key)
        return entry is None or not key.settled(entry.snapshot.as_of)

    def started(self, topic: Topic) -> None:
        """From now on `topic` tells every change."""
        self._counter += 1
        self._started[topic] = self._counter
        if topic.kind is TopicKind.TRADES:
            self._trade_logs[topic] = TradeLog()
        elif topic.kind is TopicKind.CANDLES:
            self._candle_logs[topic] = CandleLog()

    def broken(self, topics: Collection[Topic] | None, since: int) -> None:
        """`topics` (None: all) tell nothing any more; what they fed was whole until `since`."""
        lost = frozenset(self._started if topics is None else topics)
        for key, entry in list(self._entries.items()):
            if lost.isdisjoint(feeding_topics(key)):
                continue
            if self._is_live(key, entry.counter) and entry.snapshot.as_of < since:
                whole_until = replace(entry.snapshot, as_of=since)
                self._entries[key] = replace(entry, snapshot=whole_until)
        for topic in lost:
            self._started.pop(topic, None)
            self._trade_logs.pop(topic, None)
            self._candle_logs.pop(topic, None)

    def is_live(self, topic: Topic) -> bool:
        """True while `topic` tells every change."""
        return topic in self._started

    def is_whole(self, key: MarketKey) -> bool:
        """True while a live topic feeds `key` and its value includes all that the topic told."""
        entry = self._entries.get(key)
        return entry is not None and self._is_live(key, entry.counter)

    def keys(self, kind: MarketKind) -> list[MarketKey]:
        """The keys of one kind that are kept."""
        return [key for key in self._entries if key.kind is kind]

    def counter(self, key: MarketKey) -> int:
        """How many frames the value of `key` includes."""
        entry = self._entries.get(key)
        return 0 if entry is None else entry.counter

    def _keep(self, key: MarketKey, snapshot: Snapshot[Any], counter: int) -> Entry:
        entry = Entry(snapshot, counter, rows_of(snapshot.value))
        before = self._entries.get(key)
        self._count(key, entry.rows - (0 if before is None else before.rows))
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if abs(self._now() - self._swept) >= _SWEEP_EVERY_MS:
            self._sweep()
        while self._bounded_rows > self._capacity // _BOUNDED_SHARE:
            self._drop(next(each for each in self._entries if each.bounded))
        while self._rows > self._capacity:
            self._drop(next(iter(self._entries)))
        return entry

    def _count(self, key: MarketKey, rows: int) -> None:
        self._rows += rows
        if key.bounded:
            self._bounded_rows += rows

    def _sweep(self) -> None:
        self._swept = self._now()
        for key, entry in list(self._entries.items()):
            if not self._is_fresh(key, entry) and self._is_past(key, entry):
                self._drop(key)

    def _drop(self, key: MarketKey) -> None:
        self._count(key, -self._entries.pop(key).rows)
        lost = self._last_frame.pop(key, 0), self._last_withheld.pop(key, 0)
        self._forgotten = max(self._forgotten, *lost)

    def _is_fresh(self, key: MarketKey, entry: Entry) -> bool:
        if self._is_live(key, entry.counter):
            return True
        if entry.snapshot.source is DataSource.STREAM or self._is_behind(key, entry.counter):
            return False
        lifetime = self._lifetime(key.kind)
        settled = key.settled(entry.snapshot.as_of)
        return self._age(entry) < (lifetime.hard_ms if settled else lifetime.soft_ms)

    def _is_past(self, key: MarketKey, entry: Entry) -> bool:
        return self._age(entry) > self._lifetime(key.kind).hard_ms

    def _age(self, entry: Entry) -> int:
        """The age in ms; a clock that was set back makes nothing young that lies ahead of it."""
        return abs(self._now() - entry.snapshot.as_of)

    def _is_live(self, key: MarketKey, counter: int) -> bool:
        if counter < max(self._last_frame.get(key, 0), self._last_withheld.get(key, 0)):
            return False
        return any(counter >= start for start in self._starts(key))

    def _is_behind(self, key: MarketKey, counter: int) -> bool:
        """True when a live topic told something newer, whatever the value's age."""
        last = self._last_frame.get(key, 0)
        return counter < last and any(last > start for start in self._starts(key))

    def _starts(self, key: MarketKey) -> Iterable[int]:
        return (self._started[topic] for topic in feeding_topics(key) if topic in self._started)

    def _joined(self, key: MarketKey, value: MarketValue, begun: int) -> MarketValue | None:
        """An answer with what was told since `begun`; None if it is not known to be whole."""
        if all(begun < start for start in self._starts(key)):
            return None
        (topic, *_) = feeding_topics(key)
        match value:
            case TradeHistory():
                return self._trade_logs[topic].join(value)
            case CandleSeries():
                return self._candle_logs[topic].join(value, begun)
            case _:
                return None

    def _grown(self, update: Update, known: MarketValue | None) -> MarketValue | None:
        """What a frame makes of the value known before it; None if it is not enough for one."""
        match update.value:
            case Trade() as trade:
                trades = self._trade_logs.get(update.topic)
                is_new = trades is None or trades.receive(trade)
                return _longer(known, trade) if is_new else known
            case CandleUpdate(candle=candle):
                if candles := self._candle_logs.get(update.topic):
                    candles.receive(candle, self._counter)
                return continued(known, candle) if isinstance(known, CandleSeries) else None
            case Ticker() | TopOfBook() | OrderBook() as told:
                return told
            case _:
                return None


def rows_of(value: MarketValue) -> int:
    """How much memory a value takes: one row, and one for each candle, trade, level or market."""
    match value:
        case CandleSeries(candles=rows) | TradeHistory(trades=rows) | MarketListing(markets=rows):
            return 1 + len(rows)
        case OrderBook(bids=bids, asks=asks):
            return 1 + len(bids) + len(asks)
        case _:
            return 1


def _longer(known: MarketValue | None, trade: Trade) -> TradeHistory | None:
    if not isinstance(known, TradeHistory):
        return None
    return replace(known, trades=(trade, *known.trades)[:TRADES_KEPT])
