"""The messages and close codes of the graphql-transport-ws protocol.

4400 a message that is none, 4401 subscribing before the connection is acknowledged, 4403 the token
is not (any longer) good, 4406 another subprotocol, 4408 connection_init came too late, 4409 an id
twice, 4429 connection_init twice.
"""

from typing import Any, Literal

import msgspec

from gateway.domain.errors import BadUserInput

SUBPROTOCOL = "graphql-transport-ws"
BAD_MESSAGE, UNACKNOWLEDGED, FORBIDDEN, BAD_SUBPROTOCOL = 4400, 4401, 4403, 4406
INIT_LATE, ID_TWICE, INIT_TWICE = 4408, 4409, 4429


class SocketRefusal(Exception):
    """The connection must close: with `code`, and `reason` for people.

    `cause`, why a token proved nothing, is for the log alone.
    """

    def __init__(self, code: int, reason: str, cause: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.cause = cause

    def __str__(self) -> str:
        """Give both."""
        return f"{self.code} {self.reason}"


class Message(msgspec.Struct):
    """What the peer says."""

    type: Literal["connection_init", "ping", "pong", "subscribe", "complete"]
    id: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Subscribe(msgspec.Struct):
    """The payload of subscribe: an operation of any kind."""

    query: str
    variables: msgspec.Raw = msgspec.Raw(b"null")
    operationName: str | None = None  # noqa: N815  # the name on the wire


_MESSAGES = msgspec.json.Decoder(Message)
_SUBSCRIBES = msgspec.json.Decoder(Subscribe)
_VARIABLES: msgspec.json.Decoder[dict[str, Any] | None] = msgspec.json.Decoder(
    dict[str, Any] | None
)


def read_message(frame: str | bytes) -> Message:
    """Read a frame; raises `SocketRefusal`."""
    try:
        # What of it is decoded later is text by then.
        return _MESSAGES.decode(frame if isinstance(frame, str) else frame.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise SocketRefusal(BAD_MESSAGE, "Invalid message") from None


def read_subscribe(payload: msgspec.Raw) -> Subscribe:
    """Read what to subscribe to; raises `SocketRefusal`."""
    try:
        return _SUBSCRIBES.decode(payload)
    except (msgspec.MsgspecError, RecursionError):
        raise SocketRefusal(BAD_MESSAGE, "subscribe needs a payload with a query") from None


def read_variables(variables: msgspec.Raw) -> dict[str, Any] | None:
    """Read an operation's variables; raises `BadUserInput`."""
    try:
        return _VARIABLES.decode(variables)
    except (msgspec.MsgspecError, RecursionError):
        raise BadUserInput("variables", "expected a JSON object") from None


def next_prefix(stream_id: str) -> str:
    """A `next` message up to its payload, which is the same for many streams."""
    quoted = msgspec.json.encode(stream_id).decode()
    return f'{{"id":{quoted},"type":"next","payload":'
