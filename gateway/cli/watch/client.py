"""A client of the gateway's subscriptions, over the protocol graphql-transport-ws."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from gateway.cli.watch.target import Target

_PROTOCOL = Subprotocol("graphql-transport-ws")
_OPEN_TIMEOUT_S = 10.0
_ID = "1"
_COMPLETE = "the gateway ended the stream"


@dataclass(eq=False)
class StreamEnded(Exception):
    """There are no more events; `why` says so in a sentence, with the code if there was one."""

    why: str

    def __str__(self) -> str:
        """Say why."""
        return self.why


def follow(target: Target, document: str, variables: Mapping[str, object]) -> Generator[Any]:
    """Subscribe, and give the `data` of each event. Ends by `StreamEnded`, never by itself."""
    try:
        with connect(
            target.address,
            subprotocols=[_PROTOCOL],
            proxy=None,
            compression=None,
            open_timeout=_OPEN_TIMEOUT_S,
        ) as connection:
            _send(connection, "connection_init", payload=_credentials(target))
            yield from _events(connection, {"query": document, "variables": variables})
    except ConnectionClosed as closed:
        raise StreamEnded(_closing(closed)) from None
    except (OSError, WebSocketException) as failure:
        why = f"no connection to {target.address}: {failure}"
        raise StreamEnded(why) from None


def _credentials(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.token}"}


def _events(connection: ClientConnection, operation: dict[str, object]) -> Generator[Any]:
    while True:
        message = json.loads(connection.recv())
        match message.get("type"):
            case "connection_ack":
                _send(connection, "subscribe", id=_ID, payload=operation)
            case "ping":
                _send(connection, "pong")
            case "next":
                yield _event(message["payload"])
            case "error":
                raise StreamEnded(_errors(message["payload"]))
            case "complete":
                raise StreamEnded(_COMPLETE)


def _event(payload: Mapping[str, Any]) -> Any:  # noqa: ANN401 - its shape is the document's
    if payload.get("errors"):
        raise StreamEnded(_errors(payload["errors"]))
    return payload["data"]


def _send(connection: ClientConnection, kind: str, **fields: object) -> None:
    connection.send(json.dumps({"type": kind, **fields}))


def _errors(errors: list[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"{error.get('extensions', {}).get('code', 'ERROR')}: {error.get('message', '')}"
        for error in errors
    )


def _closing(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "the connection to the gateway was lost"
    return f"the gateway closed the connection: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()
