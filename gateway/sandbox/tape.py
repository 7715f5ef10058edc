"""What traded in one market: last trades, candles of every interval, statistics of 24 hours."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from gateway.sandbox.events import Trade

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

INTERVALS_MS = {
    "m1": MINUTE_MS,
    "m3": 3 * MINUTE_MS,
    "m5": 5 * MINUTE_MS,
    "m15": 15 * MINUTE_MS,
    "m30": 30 * MINUTE_MS,
    "h1": HOUR_MS,
    "h2": 2 * HOUR_MS,
    "h4": 4 * HOUR_MS,
    "d1": DAY_MS,
}

KEPT_CANDLES = 1600
KEPT_TRADES = 100


@dataclass(slots=True)
class Candle:
    """Prices and volumes from ``open_time`` on, in epoch ms; ``last_time`` is its last update."""

    open_time: int
    last_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int

    def absorb(self, later: "Candle") -> None:
        """Take what happened later in the same interval into this candle."""
        self.last_time = max(self.last_time, later.last_time)
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trade_count += later.trade_count


class CandleSeries:
    """The latest candles of one interval, oldest first; an interval without a trade has none."""

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self.candles: deque[Candle] = deque(maxlen=KEPT_CANDLES)

    def absorb(self, piece: Candle) -> None:
        """Add a trade or a shorter candle.

        One that is older than the last candle, because the clock was set back, counts to it.
        """
        open_time = piece.open_time - piece.open_time % self.interval_ms
        if self.candles and open_time <= self.candles[-1].open_time:
            self.candles[-1].absorb(piece)
        else:
            self.candles.append(replace(piece, open_time=open_time))


@dataclass(frozen=True, slots=True)
class Statistics:
    """One market's last 24 hours. Without a trade all prices are the last one."""

    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    average: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    trade_count: int


class Tape:
    """The trades of one market and what is computed from them."""

    def __init__(self, opening_price: Decimal) -> None:
        self.last = opening_price
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self.series = {name: CandleSeries(ms) for name, ms in INTERVALS_MS.items()}
        self._statistics: tuple[int, Statistics] | None = None

    def print(self, trade: Trade) -> None:
        """Add a trade."""
        self.trades.appendleft(trade)
        self.last = trade.price
        piece = Candle(
            open_time=trade.time,
            last_time=trade.time,
            open=trade.price,
            high=trade.price,
            low=trade.price,
            close=trade.price,
            volume=trade.quantity,
            quote_volume=trade.price * trade.quantity,
            trade_count=1,
        )
        for series in self.series.values():
            series.absorb(piece)
        self._statistics = None

    def statistics(self, now: int) -> Statistics:
        """The 24 hours until ``now``, to the minute."""
        minute = now // MINUTE_MS
        if self._statistics is None or self._statistics[0] != minute:
            since = now - DAY_MS
            recent = [c for c in self.series["m1"].candles if c.open_time > since]
            self._statistics = minute, _summarise(recent, self.last, since)
        return self._statistics[1]


def _summarise(candles: list[Candle], last: Decimal, since: int) -> Statistics:
    if not candles:
        zero = Decimal(0)
        return Statistics(last, last, last, last, last, zero, zero, since, 0)
    volume = _total(candle.volume for candle in candles)
    quote_volume = _total(candle.quote_volume for candle in candles)
    return Statistics(
        open=candles[0].open,
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        last=last,
        average=quote_volume / volume,
        volume=volume,
        quote_volume=quote_volume,
        open_time=candles[0].open_time,
        trade_count=sum(candle.trade_count for candle in candles),
    )


def _total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))
