"""Callers of the gateway: GraphQL over HTTP, and over a WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

# What an answer holds is for the test to know.
Json: TypeAlias = Any

PATIENCE_S = 15.0


@dataclass(frozen=True)
class Caller:
    """Sends GraphQL documents by POST, with a token or without."""

    http: httpx.Client
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def post(self, query: str, **variables: object) -> httpx.Response:
        """Send a document with its variables."""
        body = {"query": query, "variables": variables}
        return self.http.post("/graphql", json=body, headers=self.headers)

    def answer(self, query: str, **variables: object) -> Json:
        """The data of an answer without errors."""
        response = self.post(query, **variables)
        body = response.json()
        assert "errors" not in body, body
        return body["data"]

    def error(self, query: str, **variables: object) -> Json:
        """The only error of an answer, which is none of the server's own."""
        response = self.post(query, **variables)
        assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR
        (error,) = response.json()["errors"]
        return error

    def code(self, query: str, **variables: object) -> str:
        """The code of the only error."""
        return str(self.error(query, **variables)["extensions"]["code"])


class Socket:
    """A GraphQL WebSocket (graphql-transport-ws)."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, **message: object) -> None:
        """Send a message."""
        self.connection.send(json.dumps(message))

    def receive(self) -> Json:
        """The next message."""
        return json.loads(self.connection.recv(timeout=PATIENCE_S))

    def initialise(self, token: str) -> None:
        """Prove who calls, and wait for the acknowledgement."""
        self.send(type="connection_init", payload={"Authorization": f"Bearer {token}"})
        assert self.receive() == {"type": "connection_ack"}

    def subscribe(self, query: str, stream: str = "1", **variables: object) -> None:
        """Begin an operation."""
        payload = {"query": query, "variables": variables}
        self.send(type="subscribe", id=stream, payload=payload)

    def next(self, stream: str = "1") -> Json:
        """The data of the next message, which belongs to `stream` and has no errors."""
        message = self.receive()
        assert (message["type"], message["id"]) == ("next", stream), message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    def error(self, stream: str = "1") -> Json:
        """The error that ends `stream`, past what came before it."""
        while (message := self.receive())["type"] == "next":
            assert message["id"] == stream
        assert (message["type"], message["id"]) == ("error", stream), message
        return message["payload"][0]

    def error_code(self, stream: str = "1") -> str:
        """The code of the error that ends `stream`, past what came before it."""
        return str(self.error(stream)["extensions"]["code"])

    def closed(self) -> int | None:
        """The code with which the gateway closes, past what came before it."""
        return close_frame(self.connection).code


def close_frame(connection: ClientConnection) -> Close:
    """The close frame that the gateway sends, past what came before it."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=PATIENCE_S)
    frame = connection.protocol.close_rcvd
    assert frame is not None, "the connection broke off without a close frame"
    return frame


@contextmanager
def open_socket(
    url: str,
    token: str | None = None,
    *,
    subprotocols: tuple[str, ...] = ("graphql-transport-ws",),
    headers: dict[str, str] | None = None,
) -> Iterator[Socket]:
    """Open a WebSocket, and initialise it if there is a token."""
    with connect(
        url,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=headers,
        compression=None,
        proxy=None,
        max_size=None,
    ) as connection:
        opened = Socket(connection)
        if token is not None:
            opened.initialise(token)
        yield opened
