"""What a stream connection says and is told ("Websocket Data Streams"). Sans I/O.

The document shows no reply to what it does not know: such a message gets what a failed USER_STREAMS
gets, the method if it is one, status failed and a message. It does not say which topic failed.
"""

from collections.abc import Collection
from typing import Annotated

import msgspec

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.replies import Body
from gateway.sandbox.tape import INTERVALS_MS

MARKET_TOPICS = frozenset({"ticker", "candles", "orderBook", "depth", "trade"})
MAX_PARAMS = 500


class Topic(msgspec.Struct, frozen=True, omit_defaults=True):
    """What can be subscribed to: a type, mostly with a symbol, for candles with an interval."""

    type: str
    symbol: str | None = None
    interval: str | None = None

    def body(self) -> Body:
        """The members that name the topic, in the document's order."""
        members = {"type": self.type, "symbol": self.symbol, "interval": self.interval}
        return {name: value for name, value in members.items() if value is not None}

    def check(self, symbols: Collection[str]) -> None:
        """Raise Refusal 10037 for a market that is not there, 90001 for what is no topic."""
        if self == Topic("allTickers"):
            return
        if self.type not in MARKET_TOPICS:
            raise Refusal(Code.INVALID_REQUEST)
        if self.symbol not in symbols:
            raise Refusal(Code.INVALID_SYMBOL)
        intervals = INTERVALS_MS if self.type == "candles" else (None,)
        if self.interval not in intervals:
            raise Refusal(Code.INVALID_REQUEST)


_Params = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_PARAMS)]


class _Command(msgspec.Struct, rename="camel"):
    """A message, its members not looked at before the method says which of them count."""

    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"[]")
    api_key: msgspec.Raw = msgspec.Raw(b'""')
    signature: msgspec.Raw = msgspec.Raw(b'""')
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class StreamProtocol:
    """One connection's topics and account. ``account_id`` is None until USER_STREAMS succeeds.

    ``client`` is the address that it comes from. A topic counts once, so a connection has at most
    as many as there are.
    """

    def __init__(self, symbols: Collection[str], authenticator: Authenticator, client: str) -> None:
        self._symbols = symbols
        self._authenticator = authenticator
        self._client = client
        self.topics: dict[Topic, None] = {}
        self.account_id: str | None = None

    def receive(self, message: str | bytes) -> list[Body]:
        """Take a message in and return the replies to it; a heartbeat gets none."""
        command = _command(message)
        if command is None:
            return [_failed("Invalid Request")]
        match command.method:
            case "SUBSCRIBE" | "UNSUBSCRIBE":
                return self._change_all(command.method, command.params)
            case "LIST_SUBSCRIPTIONS":
                return [_succeeded(command.method, result=[topic.body() for topic in self.topics])]
            case "USER_STREAMS":
                return [self._bind(command)]
            case None if command.data is not msgspec.UNSET:
                return []
            case _:
                return [_failed("Invalid Request")]

    def _change_all(self, method: str, params: msgspec.Raw) -> list[Body]:
        try:
            wanted = msgspec.json.decode(params, type=_Params)
        except msgspec.DecodeError:
            wanted = []
        if not wanted:
            return [_failed(Code.INVALID_REQUEST.text, method)]
        return [self._change(method, one) for one in wanted]

    def _change(self, method: str, wanted: msgspec.Raw) -> Body:
        try:
            topic = msgspec.json.decode(wanted, type=Topic)
            topic.check(self._symbols)
        except msgspec.DecodeError:
            return _failed(Code.INVALID_REQUEST.text, method)
        except Refusal as refusal:
            return _failed(refusal.code.text, method)
        if method == "SUBSCRIBE":
            self.topics[topic] = None
        else:
            self.topics.pop(topic, None)
        return _succeeded(method, **topic.body())

    def _bind(self, command: _Command) -> Body:
        try:
            api_key = msgspec.json.decode(command.api_key, type=str)
            signature = msgspec.json.decode(command.signature, type=str)
            self.account_id = self._authenticator.stream_account(api_key, signature, self._client)
        except (msgspec.DecodeError, Refusal):
            return _failed("Unauthorized Access", "USER_STREAMS")
        return _succeeded("USER_STREAMS")


def _command(message: str | bytes) -> _Command | None:
    try:
        text = message if isinstance(message, str) else message.decode()
        return msgspec.json.decode(text, type=_Command)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _succeeded(method: str, **members: object) -> Body:
    return {"method": method, "status": "success", **members}


def _failed(message: str, method: str | None = None) -> Body:
    named = {"method": method} if method else {}
    return {**named, "status": "failed", "message": message}
