"""Topics of the exchange's streams, what a feed tells about them, and gaps."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.account import BalanceChange
from gateway.domain.market import CandleInterval, CandleUpdate, OrderBook, Ticker, TopOfBook, Trade
from gateway.domain.orders import Order


class TopicKind(StrEnum):
    """What can be subscribed to. ACCOUNT is the private stream of one account."""

    ALL_TICKERS = "all_tickers"
    TICKER = "ticker"
    CANDLES = "candles"
    TOP_OF_BOOK = "top_of_book"
    ORDER_BOOK = "order_book"
    TRADES = "trades"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Topic:
    """One stream: `symbol` for all kinds but ALL_TICKERS and ACCOUNT, `interval` for CANDLES."""

    kind: TopicKind
    symbol: str | None = None
    interval: CandleInterval | None = None


StreamValue = Ticker | TopOfBook | OrderBook | CandleUpdate | Trade | Order | BalanceChange
"""What one frame of a stream says."""


@dataclass(frozen=True, slots=True)
class Update:
    """A frame of `topic` arrived at `time` (ms)."""

    topic: Topic
    value: StreamValue
    time: int


@dataclass(frozen=True, slots=True)
class Started:
    """The exchange confirmed `topic`: from `time` (ms) on, its frames arrive."""

    topic: Topic
    time: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The feed lost `topics`, or every topic when that is None.

    `since` (ms): the last moment they were known whole. `lossless`: every frame came, but they do
    not tell all that happened.
    """

    since: int
    reason: str
    topics: frozenset[Topic] | None = None
    lossless: bool = False


@dataclass(frozen=True, slots=True)
class Withheld:
    """A frame of `topic` about `symbol` had no meaning: what was told before it is outdated.

    It comes of topics whose frames each tell the whole value, so the next one mends it. A trade or
    an order that has no meaning is missing from its topic: that is a `Broken` and a `Started`. So
    is, from every topic, a frame that does not even say what it tells of.
    """

    topic: Topic
    symbol: str


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The exchange refused the login of an account's stream; it is tried again after a while."""


FeedEvent = Update | Started | Broken | Withheld | LoginRefused
"""What a feed tells, in order."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something may be missing since `since` (ms); what follows starts from a fresh snapshot."""

    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed is doing: times in ms, `topics` confirmed by the exchange."""

    connected: bool
    since: int | None
    topics: int
    last_message_at: int | None
