"""What a stream connection says and is told ("Websocket Data Streams"). Sans I/O.

The document shows no reply to what it does not know: such a message gets status failed and a
message, like a failed USER_STREAMS.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.replies import Body
from gateway.sandbox.tape import INTERVALS_MS

MARKET_TOPICS = frozenset({"ticker", "candles", "orderBook", "depth", "trade"})


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be subscribed to: a type, mostly with a symbol, for candles with an interval."""

    type: str
    symbol: str | None = None
    interval: str | None = None

    def body(self) -> Body:
        """The members that name the topic, in the document's order."""
        members = {"type": self.type, "symbol": self.symbol, "interval": self.interval}
        return {name: value for name, value in members.items() if value is not None}


class _TopicParameter(msgspec.Struct):
    type: str
    symbol: str | None = None
    interval: str | None = None


class _Command(msgspec.Struct, rename="camel"):
    method: str | None = None
    params: list[_TopicParameter] = []
    api_key: str = ""
    signature: str = ""


class StreamProtocol:
    """One connection's topics and account. ``account_id`` is None until USER_STREAMS succeeds."""

    def __init__(self, symbols: Collection[str], authenticator: Authenticator) -> None:
        self._symbols = symbols
        self._authenticator = authenticator
        self.topics: dict[Topic, None] = {}
        self.account_id: str | None = None

    def receive(self, message: str | bytes) -> list[Body]:
        """Take a message in and return the replies to it; a heartbeat gets none."""
        try:
            command = msgspec.json.decode(message, type=_Command)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [_failed("Invalid Request")]
        match command.method:
            case "SUBSCRIBE" | "UNSUBSCRIBE":
                return [self._change(command.method, wanted) for wanted in command.params]
            case "LIST_SUBSCRIPTIONS":
                return [_succeeded(command.method, result=[topic.body() for topic in self.topics])]
            case "USER_STREAMS":
                return [self._bind(command)]
            case None:
                return []
            case _:
                return [_failed("Invalid Request", method=command.method)]

    def _change(self, method: str, wanted: _TopicParameter) -> Body:
        topic = Topic(wanted.type, wanted.symbol, wanted.interval)
        try:
            self._check(topic)
        except Refusal as refusal:
            return _failed(refusal.code.text, method=method, **topic.body())
        if method == "SUBSCRIBE":
            self.topics[topic] = None
        else:
            self.topics.pop(topic, None)
        return _succeeded(method, **topic.body())

    def _check(self, topic: Topic) -> None:
        if topic == Topic("allTickers"):
            return
        if topic.type not in MARKET_TOPICS:
            raise Refusal(Code.INVALID_REQUEST)
        if topic.symbol not in self._symbols:
            raise Refusal(Code.INVALID_SYMBOL)
        intervals = INTERVALS_MS if topic.type == "candles" else (None,)
        if topic.interval not in intervals:
            raise Refusal(Code.INVALID_REQUEST)

    def _bind(self, command: _Command) -> Body:
        try:
            self.account_id = self._authenticator.stream_account(command.api_key, command.signature)
        except Refusal:
            return _failed("Unauthorized Access", method="USER_STREAMS")
        return _succeeded("USER_STREAMS")


def _succeeded(method: str, **members: object) -> Body:
    return {"method": method, "status": "success", **members}


def _failed(message: str, method: str | None = None, **members: object) -> Body:
    named = {"method": method} if method else {}
    return {**named, "status": "failed", **members, "message": message}
