"""What is said on a stream connection ("Websocket Data Streams", "User Data Streams"). Sans I/O.

The document shows no reply to what it does not know: such a message gets what a failed USER_STREAMS
gets, the method if it is one, status failed and a message.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, TypeAlias

import msgspec

from gateway.domain.streams import Topic, TopicKind
from gateway.exchange import ERROR_CODES
from gateway.web.facade import codes
from gateway.web.facade.parameters import INTERVALS
from gateway.web.facade.requests import Body

INVALID_REQUEST = ERROR_CODES[codes.INVALID].meaning
INVALID_SYMBOL = ERROR_CODES[codes.UNKNOWN_SYMBOL].meaning
NOT_ALLOWED = ERROR_CODES[codes.NOT_ALLOWED].meaning
UNEXPECTED = ERROR_CODES[codes.UNEXPECTED].meaning
UNAUTHORIZED = "Unauthorized Access"
TOO_MANY = "Too many messages"

_MOST_PARAMS = 500
_ALL_TICKERS = "allTickers"
_KINDS = {
    "ticker": TopicKind.ALL_TICKERS,
    "candles": TopicKind.CANDLES,
    "orderBook": TopicKind.TOP_OF_BOOK,
    "depth": TopicKind.ORDER_BOOK,
    "trade": TopicKind.TRADES,
}


class Method(StrEnum):
    """What a client can ask for."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    USER_STREAMS = "USER_STREAMS"


class StreamName(msgspec.Struct, frozen=True):
    """How a client names a stream: a type, mostly with a symbol, for candles with an interval."""

    type: str
    symbol: str | None = None
    interval: str | None = None

    def members(self) -> Body:
        """The members that name the stream, in the document's order."""
        named = {"type": self.type, "symbol": self.symbol, "interval": self.interval}
        return {name: value for name, value in named.items() if value is not None}

    def fault(self, symbols: Collection[str]) -> str | None:
        """What is wrong with it where the markets are `symbols`; None for a stream that is."""
        if self == StreamName(_ALL_TICKERS):
            return None
        if self.type not in _KINDS:
            return INVALID_REQUEST
        if self.symbol not in symbols:
            return INVALID_SYMBOL
        intervals: Collection[str | None] = INTERVALS if self.type == "candles" else (None,)
        return None if self.interval in intervals else INVALID_REQUEST

    @property
    def topic(self) -> Topic:
        """The topic that tells it; every ticker comes from that of all of them."""
        kind = _KINDS.get(self.type, TopicKind.ALL_TICKERS)
        if kind is TopicKind.ALL_TICKERS:
            return Topic(kind)
        return Topic(kind, self.symbol, INTERVALS.get(self.interval or ""))


@dataclass(frozen=True, slots=True)
class Change:
    """SUBSCRIBE or UNSUBSCRIBE; None stands for a param that names nothing."""

    method: Method
    names: tuple[StreamName | None, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """USER_STREAMS. Together the two are a credential that never ends."""

    api_key: str = field(repr=False)
    signature: str = field(repr=False)


class Plain(Enum):
    """What says no more than that."""

    LISTING = "LIST_SUBSCRIPTIONS"
    TOKEN_LOGIN = "USER_STREAMS"  # noqa: S105  # the method, without key and signature
    HEARTBEAT = "data"


Command: TypeAlias = Change | Login | Plain


class BadCommand(Exception):
    """A message that asks for nothing that there is; `reply` says so."""

    def __init__(self, reply: Body) -> None:
        super().__init__(reply)
        self.reply = reply


_Params = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=_MOST_PARAMS)]


class _Message(msgspec.Struct, rename="camel"):
    """A message, its members not looked at before the method says which of them count."""

    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"[]")
    api_key: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    signature: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_MESSAGES = msgspec.json.Decoder(_Message)
_PARAMS = msgspec.json.Decoder(_Params)
_NAMES = msgspec.json.Decoder(StreamName)
_TEXTS = msgspec.json.Decoder(str)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def read_command(message: str | bytes) -> Command:
    """Read what a client says; raises `BadCommand`."""
    try:
        # What of it is decoded later is text by then.
        said = _MESSAGES.decode(message if isinstance(message, str) else message.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCommand(failed(INVALID_REQUEST)) from None
    match said.method:
        case Method.SUBSCRIBE | Method.UNSUBSCRIBE:
            return _change(Method(said.method), said.params)
        case Method.LIST_SUBSCRIPTIONS:
            return Plain.LISTING
        case Method.USER_STREAMS:
            return _login(said)
        case None if said.data is not msgspec.UNSET:
            return Plain.HEARTBEAT
        case _:
            raise BadCommand(failed(INVALID_REQUEST))


def succeeded(method: Method, **members: object) -> Body:
    """The acknowledgement of what was done."""
    return {"method": method, "status": "success", **members}


def failed(message: str, method: Method | None = None) -> Body:
    """The answer to what was not done."""
    named = {} if method is None else {"method": method}
    return {**named, "status": "failed", "message": message}


def write(body: Body) -> str:
    """A frame as it is sent; a Decimal becomes a number with all of its digits."""
    return _ENCODER.encode(body).decode()


def _change(method: Method, params: msgspec.Raw) -> Change:
    try:
        return Change(method, tuple(_name(one) for one in _PARAMS.decode(params)))
    except msgspec.DecodeError:
        raise BadCommand(failed(INVALID_REQUEST, method)) from None


def _name(param: msgspec.Raw) -> StreamName | None:
    try:
        return _NAMES.decode(param)
    except msgspec.DecodeError:
        return None


def _login(said: _Message) -> Login | Plain:
    if said.api_key is msgspec.UNSET and said.signature is msgspec.UNSET:
        return Plain.TOKEN_LOGIN
    try:
        return Login(_text(said.api_key), _text(said.signature))
    except msgspec.DecodeError:
        raise BadCommand(failed(UNAUTHORIZED, Method.USER_STREAMS)) from None


def _text(member: msgspec.Raw | msgspec.UnsetType) -> str:
    return "" if isinstance(member, msgspec.UnsetType) else _TEXTS.decode(member)
