"""The shapes of the exchange's public replies, read leniently and without losing a digit.

Unknown fields are ignored, absent optional ones are None, numbers may come as strings, and names
such as `side` as strings or integers: the document's samples differ among themselves. What is
read here is not yet checked for meaning: `gateway.exchange.mapping` does that. What is said of one
account has its shapes in `gateway.exchange.account_wire`.
"""

import json
from decimal import Decimal
from typing import Annotated, ClassVar, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

SUCCESS = "00000"

Milliseconds = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]
"""A time in ms before the year 10000, so that it can always be shown as a date."""

Decimals = Annotated[int, Meta(ge=0, le=36)]
"""How many decimals a market or an asset has."""

Count = Annotated[int, Meta(ge=0, lt=2**31)]
"""A number of things: one that GraphQL can show."""

Numbered = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
"""A number that stands for a state, in a table that may not list it: any that GraphQL can show."""

Named = str | int
"""A name that the exchange writes as a word in some replies and as an integer in others."""


class Unparsable(ValueError):
    """The text is not JSON, or not of the shape asked for; `cause` says so in metrics."""

    cause: ClassVar[str] = "unparsable"

    def __str__(self) -> str:
        """Say so; never show the text."""
        return "the text does not have the shape that the exchange's document gives it"


class CrossedBook(Unparsable):
    """A bid is no lower than an ask: the parts are not of one moment."""

    cause = "crossed_book"


class Mismatch(Unparsable):
    """The text speaks of something else than what was asked."""

    cause = "mismatch"


class Envelope(Struct):
    """What every reply carries (heading 'Information'); error replies may add `msg`."""

    code: Named

    @property
    def five_digits(self) -> str:
        """The code as the tables write it: 20001 and "20001" are one code, 0 is "00000".

        A string is taken as it is: "" and "0" are no code of the tables.
        """
        return self.code if isinstance(self.code, str) else str(self.code).zfill(5)


class TickerRow(Struct, kw_only=True, rename="camel"):
    """Headings 'Get Symbol 24h Statistics', 'All Tickers 24H Statistics', 'Market 24H …'."""

    symbol: str
    last: Decimal
    first_bid: Decimal | None = None
    first_ask: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    avg: Decimal | None = None
    change_amount: Decimal | None = None
    change_percent: Decimal | None = None
    volume: Decimal | None = None
    volume_qty: Decimal | None = None
    trade_count: Count | None = None
    open_time: Milliseconds | None = None


class MarketRow(TickerRow, kw_only=True, rename="camel"):
    """Heading 'Get All Markets 24h'."""

    name: str
    first_symbol: str
    second_symbol: str


class PrecisionRow(Struct):
    """Decimals of price, amount (base asset) and total (quote asset)."""

    price: Decimals
    amount: Decimals
    total: Decimals


class RulesRow(Struct, kw_only=True, rename="camel"):
    """Heading 'Get Symbol Detailed Info'; the switches are the strings "true" and "false"."""

    symbol: str
    min_trade_total: Decimal
    min_amount: Decimal
    commission: Decimal
    commission_maker: Decimal | None = None
    commission_taker: Decimal | None = None
    enable: bool
    order_enable: bool
    cancel_enable: bool
    precision: PrecisionRow
    first_symbol_max_length: Decimals | None = None
    second_symbol_max_length: Decimals | None = None
    commission_percentage: bool | None = None
    commission_tier_based: bool | None = None


class CandleRow(Struct, kw_only=True, rename="camel"):
    """Headings 'Get Symbol Candlestick Data' and, as `kline`, 'Market Candlestick Updates'.

    Only the latter's has a `closeTime`, which is its last update.
    """

    open_time: Milliseconds
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_time: Milliseconds | None = None


class LevelRow(Struct):
    """One price of a book; 'Get Symbol Orderbook' gives no `count`."""

    price: Decimal
    amount: Decimal
    count: Count | None = None


class BookRow(Struct):
    """Headings 'Get Symbol Orderbook' (best levels only) and 'Get Symbol Order Depth'."""

    bids: list[LevelRow]
    asks: list[LevelRow]


class TradeRow(Struct):
    """Heading 'Get Symbol Trade History'; `type` 0: the buyer was the maker."""

    price: Decimal
    amount: Decimal
    time: Milliseconds
    type: int


class TimeReply(Struct):
    """Heading 'Check Server Time'."""

    data: Milliseconds


class MarketsReply(Struct):
    """Heading 'Get All Markets 24h'."""

    markets: list[MarketRow]


class TickerReply(Struct):
    """Heading 'Get Symbol 24h Statistics'."""

    market: TickerRow


class RulesReply(Struct):
    """Heading 'Get Symbol Detailed Info'."""

    info: RulesRow


class CandlesReply(Struct):
    """Heading 'Get Symbol Candlestick Data'."""

    candles: list[CandleRow]


class BookReply(Struct):
    """Headings 'Get Symbol Orderbook' and 'Get Symbol Order Depth'."""

    book: BookRow


class TradesReply(Struct):
    """Heading 'Get Symbol Trade History'."""

    trades: list[TradeRow]


def parse(text: bytes | str, shape: type[T], *, strict: bool = False) -> T:
    """Read JSON into `shape`; raise `Unparsable` on anything else.

    Decimals come out exactly as they were written: bound them before use. Only a `strict` reading
    refuses numbers and switches in strings, and integers with a point or an exponent.
    """
    try:
        return msgspec.json.decode(text, type=shape, strict=strict)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Unparsable from None


def require_unique_names(text: bytes | str) -> None:
    """Raise `Unparsable` for JSON with a name twice in an object: which value counts is a guess.

    Nothing is read here: each object is dropped as soon as its names were seen.
    """
    try:
        json.loads(text, object_pairs_hook=_refuse_repeated)
    except (ValueError, RecursionError):
        raise Unparsable from None


def _refuse_repeated(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Unparsable
