"""The frames of the exchange's WebSocket: what is sent, and what is read leniently.

Headings 'Websocket Data Streams', 'Market Data Streams' and 'User Data Streams'. A frame with
`method` acknowledges, one with `type` alone is data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import Struct

from gateway.exchange.account_wire import OrderRow
from gateway.exchange.wire import (
    BookRow,
    CandleRow,
    Milliseconds,
    Named,
    TickerRow,
    Unparsable,
    parse,
    require_unique_names,
)


class Malformed(StrEnum):
    """Why a frame was withheld: a closed set, fit for a metric's label."""

    BINARY = "BINARY"
    OVERSIZED = "OVERSIZED"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    UNKNOWN_KIND = "UNKNOWN_KIND"
    WRONG_SHAPE = "WRONG_SHAPE"
    CROSSED_BOOK = "CROSSED_BOOK"
    EMPTY_BOOK = "EMPTY_BOOK"


class StreamName(Struct, frozen=True, omit_defaults=True):
    """How the exchange names a stream, in params, acknowledgements, listings and data."""

    type: str
    symbol: str | None = None
    interval: str | None = None


@dataclass(eq=False)
class Unreadable(ValueError):
    """The frame has no meaning here."""

    reason: Malformed

    def __str__(self) -> str:
        """Give the reason; never show the frame."""
        return f"frame withheld: {self.reason}"


class Method(StrEnum):
    """What a client may ask (headings 'Subscribe a stream' to 'Binding User Data Streams')."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    USER_STREAMS = "USER_STREAMS"


class Acknowledgement(Struct):
    """The reply to one param of a request; `message` and no `type` may be all of a failure.

    `result` is there for LIST_SUBSCRIPTIONS alone.
    """

    method: Method
    status: str
    type: str | None = None
    symbol: str | None = None
    interval: str | None = None
    result: list[StreamName] | None = None

    @property
    def succeeded(self) -> bool:
        """Only the documented word is a success."""
        return self.status == "success"

    @property
    def name(self) -> StreamName | None:
        """The stream it speaks of, if it says so."""
        return None if self.type is None else StreamName(self.type, self.symbol, self.interval)


class TickerFrame(TickerRow, kw_only=True, rename="camel"):
    """Headings 'All Tickers 24H Statistics' and 'Market 24H Statistics'."""

    type: str


class CandlesFrame(Struct):
    """Heading 'Market Candlestick Updates'."""

    symbol: str
    interval: str
    kline: CandleRow


class TopOfBookFrame(Struct, kw_only=True, rename="camel"):
    """Heading 'Market Order Book Updates'; an empty side has no price, or the price 0."""

    symbol: str
    bid_price: Decimal | None = None
    bid_amount: Decimal | None = None
    ask_price: Decimal | None = None
    ask_amount: Decimal | None = None


class DepthFrame(Struct):
    """Heading 'Market Depth Updates': the whole book, never a change of it."""

    symbol: str
    depth: BookRow


class TradeFrame(Struct, kw_only=True, rename="camel"):
    """Heading 'Market Trade Updates'; `tradeType` 0: the buyer was the maker."""

    symbol: str
    price: Decimal
    amount: Decimal
    trade_type: Named
    time: Milliseconds


class AvailableFrame(Struct):
    """Heading 'User Available Balance Update'."""

    symbol: str
    available: Decimal


class ReservedFrame(Struct):
    """Heading 'User Reserved Balance Update'."""

    symbol: str
    reserved: Decimal


class OrderFrame(Struct):
    """Heading 'User Order Update Messages'."""

    order: OrderRow


DataFrame = (
    TickerFrame
    | CandlesFrame
    | TopOfBookFrame
    | DepthFrame
    | TradeFrame
    | AvailableFrame
    | ReservedFrame
    | OrderFrame
)
"""A frame that carries `type` without `method`."""

_SHAPES: dict[str, type[DataFrame]] = {
    "allTickers": TickerFrame,
    "ticker": TickerFrame,
    "candles": CandlesFrame,
    "orderBook": TopOfBookFrame,
    "depth": DepthFrame,
    "trade": TradeFrame,
    "balanceUpdate": AvailableFrame,
    "reservedUpdate": ReservedFrame,
    "orderUpdate": OrderFrame,
}


class SeemingFrame(Struct):
    """As much of a frame as says what it tells of, though nothing else of it can be read."""

    method: object = None
    type: str | None = None
    symbol: str | None = None
    interval: str | None = None


class _Envelope(Struct):
    method: object = None
    type: object = None


def decode_frame(text: str) -> Acknowledgement | DataFrame:
    """Read one frame; raise `Unreadable` when it is none that the document describes.

    Nor is one with a name twice: which value counts is a guess.
    """
    try:
        envelope = parse(text, _Envelope)
    except Unparsable:
        raise Unreadable(Malformed.NOT_AN_OBJECT) from None
    shape = _shape(envelope)
    if shape is None:
        raise Unreadable(Malformed.UNKNOWN_KIND)
    try:
        require_unique_names(text)
        return parse(text, shape)
    except Unparsable:
        raise Unreadable(Malformed.WRONG_SHAPE) from None


def _shape(envelope: _Envelope) -> type[Acknowledgement | DataFrame] | None:
    if envelope.method is not None:
        return Acknowledgement
    return _SHAPES.get(envelope.type) if isinstance(envelope.type, str) else None


def encode_request(method: Method, names: Iterable[StreamName] = ()) -> str:
    """Write a request; `params` are left out where there are none."""
    params = list(names)
    request: dict[str, object] = {"method": method.value}
    if params:
        request["params"] = params
    return msgspec.json.encode(request).decode()
