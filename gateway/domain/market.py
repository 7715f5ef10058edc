"""Public market data: values, where they came from, and the names under which they are kept."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class DataSource(StrEnum):
    """Where a value came from: the exchange's stream, its REST interface, or the shared cache."""

    STREAM = "STREAM"
    REST = "REST"
    CACHE = "CACHE"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot(Generic[T]):
    """A value with its origin and age, so that no price is stale in silence.

    `as_of` is the time in ms at which the value was received from the exchange. `stale` says that
    the source is not live, or that the value is past its soft lifetime.
    """

    value: T
    as_of: int
    source: DataSource
    stale: bool = False


class CandleInterval(StrEnum):
    """The candle intervals that the exchange offers (heading 'Get Symbol Candlestick Data')."""

    M1 = "M1"
    M3 = "M3"
    M5 = "M5"
    M15 = "M15"
    M30 = "M30"
    H1 = "H1"
    H2 = "H2"
    H4 = "H4"
    D1 = "D1"

    @property
    def milliseconds(self) -> int:
        """The length of one candle in ms."""
        minutes = {"M": 1, "H": 60, "D": 1440}[self.value[0]]
        return int(self.value[1:]) * minutes * 60_000

    def floor(self, time: int) -> int:
        """The open time (ms) of the candle that `time` (ms) falls into."""
        return time - time % self.milliseconds


@dataclass(frozen=True, slots=True)
class Market:
    """One tradable pair, such as BTCUSDT: base BTC, priced in the quote USDT."""

    symbol: str
    name: str
    base_asset: str
    quote_asset: str


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last 24 hours of one market; None where the exchange said nothing.

    Prices and `quote_volume` in the quote asset, `base_volume` in the base asset,
    `change_percent` in percent, `open_time` in ms.
    """

    symbol: str
    last: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    average: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    base_volume: Decimal | None = None
    quote_volume: Decimal | None = None
    trade_count: int | None = None
    open_time: int | None = None


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What an order in a market must obey: decimals, minimums, fees in percent, switches.

    The last five, None where the exchange said nothing, bind no order: how many decimals it shows
    of base and quote, its fee where it has but one, and what it says of how fees are reckoned.
    """

    symbol: str
    price_precision: int
    quantity_precision: int
    total_precision: int
    min_total: Decimal
    min_quantity: Decimal
    maker_fee_percent: Decimal
    taker_fee_percent: Decimal
    enabled: bool
    order_enabled: bool
    cancel_enabled: bool
    base_precision: int | None = None
    quote_precision: int | None = None
    fee_percent: Decimal | None = None
    fees_in_percent: bool | None = None
    fees_by_tier: bool | None = None


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """All that rests at one price: quantity in the base asset, and of how many orders if known."""

    price: Decimal
    quantity: Decimal
    orders: int | None = None


@dataclass(frozen=True, slots=True)
class TopOfBook:
    """The best bid and the best ask; None where that side is empty."""

    symbol: str
    bid: PriceLevel | None
    ask: PriceLevel | None


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book: bids from the highest price down, asks from the lowest price up."""

    symbol: str
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low and close of one interval; volume in the base asset; times in ms."""

    open_time: int
    close_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class CandleUpdate:
    """The newest state of one candle, as the stream tells it; `updated_at` in ms, if it says so."""

    symbol: str
    interval: CandleInterval
    candle: Candle
    updated_at: int | None = None


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Candles of one market and interval, oldest first."""

    symbol: str
    interval: CandleInterval
    candles: tuple[Candle, ...]


class OrderSide(StrEnum):
    """Which way an order goes; of a trade, which way its taker went."""

    BUY = "BUY"
    SELL = "SELL"


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade; `side` is the taker's; time in ms."""

    symbol: str
    price: Decimal
    quantity: Decimal
    side: OrderSide
    time: int


@dataclass(frozen=True, slots=True)
class TradeHistory:
    """The last public trades of one market, newest first."""

    symbol: str
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class MarketListing:
    """All markets, in the exchange's order."""

    markets: tuple[Market, ...]


class MarketKind(StrEnum):
    """The kinds of market data; each has lifetimes of its own in the settings."""

    LISTING = "listing"
    TICKER = "ticker"
    RULES = "rules"
    TOP_OF_BOOK = "top_of_book"
    ORDER_BOOK = "order_book"
    CANDLES = "candles"
    TRADES = "trades"


_SETTLED_AFTER_MS = 60_000
"""So far may the exchange's clock be from ours, with the last trade of a candle yet to be told."""


@dataclass(frozen=True, slots=True)
class MarketKey:
    """The name under which one piece of market data is kept, in memory and in Redis.

    `start` and `end` (ms, snapped to `interval`) bound a candle series; None leaves that end to
    the exchange, and the series then ends with the candle now open.
    """

    kind: MarketKind
    symbol: str = ""
    interval: CandleInterval | None = None
    start: int | None = None
    end: int | None = None

    @property
    def bounded(self) -> bool:
        """True for candles of some time only: callers choose the times, and so how many keys."""
        return self.start is not None or self.end is not None

    def settled(self, as_of: int) -> bool:
        """Whether what was received at `as_of` (ms) can change no more: its last candle is over."""
        if self.end is None or self.interval is None:
            return False
        return self.end + self.interval.milliseconds + _SETTLED_AFTER_MS <= as_of


MarketValue = (
    MarketListing | Ticker | MarketRules | TopOfBook | OrderBook | CandleSeries | TradeHistory
)
"""What a `MarketKey` names."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Orders the writes of one key: connections count up `epoch`, frames count up `counter`."""

    epoch: int = 0
    counter: int = 0
