"""Market data: process memory over the shared cache over the exchange.

A fresh value is answered at once. A stale one within its hard lifetime is answered at once too,
marked, while one call refreshes it. Only what is not known at all is waited for, and what may be
older than an order that went out from here: whoever placed it reads what it did.

What callers make the exchange be asked has a rate of its own, so that no reader can provoke the
exchange to refuse the calls that others trade by.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from gateway.domain.errors import (
    ExchangeFailure,
    GatewayError,
    NotSent,
    RateLimited,
    Refused,
    SourceUnavailable,
    UnknownSymbol,
)
from gateway.domain.market import (
    CandleInterval,
    CandleSeries,
    DataSource,
    Market,
    MarketKey,
    MarketKind,
    MarketListing,
    MarketRules,
    MarketValue,
    OrderBook,
    Snapshot,
    Ticker,
    TopOfBook,
    TradeHistory,
    Version,
)
from gateway.domain.streams import Broken, FeedEvent, Started, Topic, Update, Withheld
from gateway.exchange import BACKING_OFF, ExchangeClient
from gateway.metrics import Metrics
from gateway.services.candle_ranges import CandleRanges, checked_bounds, possible_bounds
from gateway.services.market_memory import MarketMemory, fed_key
from gateway.services.rates import Rates
from gateway.services.single_flight import SingleFlight
from gateway.setting_values import Lifetime
from gateway.store.market_cache import CacheWrite, MarketCache

LISTING = MarketKey(MarketKind.LISTING)
_EVERY_TICKER = MarketKey(MarketKind.TICKER)
_WRITE_EVERY_S = 0.2
_PAUSE_AFTER_FAILURE_MS = 500
_FAILURES_KEPT = 1000
_FOR_ORDERS = frozenset({MarketKind.LISTING, MarketKind.RULES})
"""What each order reads, and seldom anew: it counts against the rate, and is not refused."""


class MarketData:
    """The one way to market data, whoever asks."""

    def __init__(
        self,
        *,
        exchange: ExchangeClient,
        cache: MarketCache,
        memory: MarketMemory,
        lifetime: Callable[[MarketKind], Lifetime],
        now: Callable[[], int],
        rates: Rates,
        metrics: Metrics,
    ) -> None:
        self._exchange = exchange
        self._ask_of_symbol: dict[MarketKind, Callable[[str], Awaitable[MarketValue]]] = {
            MarketKind.TICKER: exchange.ticker,
            MarketKind.RULES: exchange.rules,
            MarketKind.TOP_OF_BOOK: exchange.top_of_book,
            MarketKind.ORDER_BOOK: exchange.order_book,
            MarketKind.TRADES: exchange.trades,
        }
        self._cache = cache
        self._memory = memory
        self._lifetime = lifetime
        self._now = now
        self._rates = rates
        self._metrics = metrics
        self._loads: SingleFlight[MarketKey, Snapshot[Any]] = SingleFlight()
        self._fetches: SingleFlight[MarketKey, Snapshot[Any]] = SingleFlight()
        self._failures: dict[MarketKey, tuple[int, ExchangeFailure]] = {}
        self._unwritten: dict[MarketKey, Snapshot[Any]] = {}
        self._epoch = 0

    def fresh(self, key: MarketKey) -> Snapshot[Any] | None:
        """The snapshot of `key` if it is fresh in memory; the same object while it stays so."""
        return self._memory.fresh(key)

    def current(self, key: MarketKey) -> Snapshot[Any] | None:
        """The snapshot of `key` if it is fresh and not outdated, as `read` would give it."""
        return None if self._memory.is_outdated(key) else self._memory.fresh(key)

    def outdate(self, symbol: str) -> None:
        """An order in the market `symbol` went out, or a cancel of one: its outcome may be unknown.

        What is read of the market's prices from now on was told by the feed or asked of the
        exchange since; while the exchange is away, the earlier value is read, marked stale.
        """
        self._memory.outdate(symbol)

    def shown(self, key: MarketKey) -> Snapshot[Any] | None:
        """The snapshot of `key` in memory, marked stale if it is; None past its hard lifetime."""
        return self._memory.shown(key)

    def is_live(self, topic: Topic) -> bool:
        """True while the feed tells every change of `topic`."""
        return self._memory.is_live(topic)

    def is_whole(self, key: MarketKey) -> bool:
        """True while the value of `key` includes all that a live topic of the feed told of it."""
        return self._memory.is_whole(key)

    def known_tickers(self) -> list[MarketKey]:
        """The keys of the tickers in memory."""
        return self._memory.keys(MarketKind.TICKER)

    async def read(self, key: MarketKey, *, patient: bool = False) -> Snapshot[Any]:
        """Return the value of `key`: stale rather than late, but late rather than outdated.

        For who is `patient` late rather than stale too: what is stale is what cannot be had anew.
        With nothing known within the hard lifetime, raises `SourceUnavailable` when the exchange is
        away, and `RateLimited` when it is asked too much; and what it refused (`Refused`,
        `UnknownSymbol`).
        """
        if (snapshot := self.current(key)) is not None:
            self._count(key, "memory")
            return snapshot
        if self._memory.is_outdated(key):
            return await self._read_anew(key)
        shown = None if patient else self._memory.shown(key)
        if shown is not None:
            self._count(key, "memory")
            if not self._paused(key) and not self._covered(key):
                self._loads.begin(key, lambda: self._load(key))
            return shown
        return await self._wait_for(key)

    async def refetch(self, key: MarketKey, *, own: bool = True) -> Snapshot[Any]:
        """Ask the exchange now, whatever is known; raises its failure.

        What is not its `own` need is refused beyond the rate: `RateLimited`. It joins no request
        under way: that may be older than a topic's start, and say nothing of what came between.
        """
        await self._rates.take_market_read(own=own)
        return await self._fetch(key)

    async def every_ticker(self, symbols: Sequence[str], *, patient: bool = False) -> None:
        """See to it that the tickers of `symbols` are known, with one request for all of them."""
        keys = [MarketKey(MarketKind.TICKER, symbol) for symbol in symbols]
        missing = [key for key in keys if self._is_missing(key, patient=patient)]
        if len(missing) > 1:
            await self._wait_for_tickers(keys)
        elif sum(self._memory.fresh(key) is None for key in keys) > 1 and not self._paused(LISTING):
            self._loads.begin(_EVERY_TICKER, lambda: self._load_tickers(keys))

    def receive(self, event: FeedEvent) -> Snapshot[Any] | None:
        """Take what the feed tells; return the snapshot that a frame makes, if any."""
        match event:
            case Update():
                snapshot = self._memory.receive(event)
                key = fed_key(event)
                if snapshot is not None and key is not None:
                    self._unwritten[key] = snapshot
                return snapshot
            case Started(topic=topic):
                self._memory.started(topic)
            case Broken(topics=topics, since=since):
                self._memory.broken(topics, since)
                if topics is None:
                    self._epoch = 0  # the next connection's writes outrank this one's
            case Withheld(topic=topic, symbol=symbol):
                self._memory.withheld(topic, symbol)
        return None

    async def run(self) -> None:
        """Carry what changed to the shared cache, a few times a second, until cancelled."""
        try:
            while True:
                await self._write()
                await asyncio.sleep(_WRITE_EVERY_S)
        finally:
            await self._loads.aclose()
            await self._fetches.aclose()

    def _is_missing(self, key: MarketKey, *, patient: bool) -> bool:
        if patient:
            return self.current(key) is None
        return self._memory.shown(key) is None or self._memory.is_outdated(key)

    async def _read_anew(self, key: MarketKey) -> Snapshot[Any]:
        snapshot = await self._wait_for(key)
        if self._memory.is_outdated(key):  # what was joined may have been asked for too early
            snapshot = await self._wait_for(key)
        return snapshot

    async def _wait_for(self, key: MarketKey) -> Snapshot[Any]:
        try:
            self._raise_if_paused(key)
            return await self._loads.join(key, lambda: self._load(key))
        except Refused:
            raise
        except (ExchangeFailure, RateLimited) as failure:
            shown = self._memory.shown(key)
            if shown is None:
                raise _unavailable(key, failure) from None
            return replace(shown, stale=True) if self._memory.is_outdated(key) else shown

    async def _load(self, key: MarketKey) -> Snapshot[Any]:
        if not key.bounded:
            await self._recall([key])
        if (snapshot := self.current(key)) is not None:
            self._count(key, "redis")
            return snapshot
        await self._rates.take_market_read(own=key.kind in _FOR_ORDERS)
        return await self._fetched(key)

    async def _wait_for_tickers(self, keys: Sequence[MarketKey]) -> None:
        try:
            self._raise_if_paused(LISTING)
            await self._loads.join(_EVERY_TICKER, lambda: self._load_tickers(keys))
        except ExchangeFailure as failure:
            for key in keys:  # each ticker's own read says what is known of it, without asking
                self._pause(key, failure)

    async def _load_tickers(self, keys: Sequence[MarketKey]) -> Snapshot[Any]:
        await self._recall(keys)
        if all(self.current(key) for key in keys):
            return await self.read(LISTING)
        await self._rates.take_market_read(own=True)
        return await self._fetched(LISTING)

    async def _fetched(self, key: MarketKey) -> Snapshot[Any]:
        return await self._fetches.join(key, lambda: self._fetch(key))

    async def _recall(self, keys: Sequence[MarketKey]) -> None:
        for key, stored in zip(keys, await self._cache.read(keys), strict=True):
            hard_ms = self._lifetime(key.kind).hard_ms
            if stored is not None and self._now() - stored.as_of <= hard_ms:
                self._memory.recall(key, stored.value, stored.as_of)

    async def _fetch(self, key: MarketKey) -> Snapshot[Any]:
        begun = self._memory.mark()
        self._count(key, "exchange")
        try:
            value = await self._ask(key, begun)
        except ExchangeFailure as failure:
            self._pause(key, failure)
            raise
        return self._offer(key, value, begun)

    async def _ask(self, key: MarketKey, begun: int) -> MarketValue:
        if key.kind is MarketKind.LISTING:
            return await self._ask_all(begun)
        if key.kind is MarketKind.CANDLES and key.interval is not None:
            return await self._exchange.candles(key.symbol, key.interval, key.start, key.end)
        return await self._ask_of_symbol[key.kind](key.symbol)

    async def _ask_all(self, begun: int) -> MarketListing:
        listing, tickers = await self._exchange.markets()
        for ticker in tickers:
            self._offer(MarketKey(MarketKind.TICKER, ticker.symbol), ticker, begun)
        return listing

    def _offer(self, key: MarketKey, value: MarketValue, begun: int) -> Snapshot[Any]:
        snapshot = self._memory.offer(key, value, begun=begun, source=DataSource.REST)
        if not key.bounded:  # of those there may be any number, and Redis bounds none
            self._unwritten[key] = snapshot
        return snapshot

    def _covered(self, key: MarketKey) -> bool:
        return key.kind is MarketKind.TICKER and self._loads.under_way(_EVERY_TICKER)

    def _pause(self, key: MarketKey, failure: ExchangeFailure) -> None:
        if len(self._failures) >= _FAILURES_KEPT:
            self._failures.clear()
        self._failures[key] = (self._now() + _PAUSE_AFTER_FAILURE_MS, failure)

    def _paused(self, key: MarketKey) -> ExchangeFailure | None:
        until, failure = self._failures.get(key, (0, None))
        return failure if 0 < until - self._now() <= _PAUSE_AFTER_FAILURE_MS else None

    def _raise_if_paused(self, key: MarketKey) -> None:
        if (failure := self._paused(key)) is not None:
            raise failure.with_traceback(None)  # raised to many: frames must not pile up on it

    async def _write(self) -> None:
        if self._epoch == 0:
            self._epoch = await self._cache.next_epoch()
        changed, self._unwritten = self._unwritten, {}
        if self._epoch and changed:
            await self._cache.write([self._as_write(*item) for item in changed.items()])

    def _as_write(self, key: MarketKey, snapshot: Snapshot[Any]) -> CacheWrite:
        version = Version(self._epoch, self._memory.counter(key))
        hard_ms = self._lifetime(key.kind).hard_ms
        return CacheWrite(key, snapshot.value, snapshot.as_of, version, hard_ms)

    def _count(self, key: MarketKey, layer: str) -> None:
        self._metrics.cache_reads.labels(key.kind.value, layer).inc()


class MarketView:
    """Market data as one request sees it; remembers every snapshot that it was computed from.

    Who is `patient` waits for what is stale to be asked anew, see `MarketData.read`.
    """

    def __init__(
        self, market_data: MarketData, now: Callable[[], int], *, patient: bool = False
    ) -> None:
        self._market_data = market_data
        self._now = now
        self._patient = patient
        self.used: list[tuple[MarketKey, Snapshot[Any]]] = []

    async def _read(self, key: MarketKey) -> Snapshot[Any]:
        snapshot = await self._market_data.read(key, patient=self._patient)
        self.used.append((key, snapshot))
        return snapshot

    async def markets(self) -> tuple[Market, ...]:
        """All markets, in the exchange's order."""
        snapshot = cast("Snapshot[MarketListing]", await self._read(LISTING))
        return snapshot.value.markets

    async def market(self, symbol: str) -> Market:
        """One market; raises `UnknownSymbol` when the exchange lists none of that name."""
        for market in await self.markets():
            if market.symbol == symbol:
                return market
        raise UnknownSymbol(symbol)

    async def prepare_tickers(self, symbols: Sequence[str]) -> None:
        """Bring several tickers within reach with one request, before each is read."""
        await self._market_data.every_ticker(symbols, patient=self._patient)

    async def ticker(self, symbol: str) -> Snapshot[Ticker]:
        """The last 24 hours of a market."""
        return await self._read(MarketKey(MarketKind.TICKER, symbol))

    async def rules(self, symbol: str) -> Snapshot[MarketRules]:
        """What an order in a market must obey."""
        return await self._read(MarketKey(MarketKind.RULES, symbol))

    async def top_of_book(self, symbol: str) -> Snapshot[TopOfBook]:
        """The best bid and ask."""
        return await self._read(MarketKey(MarketKind.TOP_OF_BOOK, symbol))

    async def order_book(self, symbol: str) -> Snapshot[OrderBook]:
        """All levels of the book that the exchange tells."""
        return await self._read(MarketKey(MarketKind.ORDER_BOOK, symbol))

    async def trades(self, symbol: str) -> Snapshot[TradeHistory]:
        """The last trades, newest first."""
        return await self._read(MarketKey(MarketKind.TRADES, symbol))

    async def candles(
        self, symbol: str, interval: CandleInterval, start: int | None, end: int | None
    ) -> Snapshot[CandleSeries]:
        """Candles that open from `start` to `end` (ms), both snapped to the interval.

        Raises `BadUserInput` when the bounds are reversed, hold more than `MAX_CANDLES`, or lie
        where no candle can be.
        """
        bounds = checked_bounds(interval, start, end, self._now())
        return await CandleRanges(self._read, symbol, interval).between(*bounds)

    async def candles_between(
        self, symbol: str, interval: CandleInterval, start: int | None, end: int | None
    ) -> Snapshot[CandleSeries]:
        """All candles that open from `start` to `end` (ms); none where none can open.

        How many the exchange answers with at the most is its own affair.
        """
        bounds = possible_bounds(interval, start, end, self._now())
        if bounds is None:
            return Snapshot(CandleSeries(symbol, interval, ()), self._now(), DataSource.REST)
        return await CandleRanges(self._read, symbol, interval).between(*bounds)


def _unavailable(key: MarketKey, failure: ExchangeFailure | RateLimited) -> GatewayError:
    if isinstance(failure, RateLimited):
        return RateLimited(failure.limit, failure.retry_after)
    paused = isinstance(failure, NotSent) and failure.cause == BACKING_OFF
    return SourceUnavailable(_in_words(key), paused=paused)


def _in_words(key: MarketKey) -> str:
    kind = key.kind.value.replace("_", " ")
    return f"the {kind} of {key.symbol}" if key.symbol else f"the {kind}"
