"""The client of subscriptions: it shows events, answers pings, and says clearly why it ended."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets import Subprotocol
from websockets.sync.server import ServerConnection, serve

from gateway.cli.watch.client import StreamEnded, follow
from gateway.cli.watch.target import Target
from tests.processes import free_port

Script = Callable[[ServerConnection], None]
TOKEN = "ngw_made_up"


@contextmanager
def gateway(script: Script) -> Iterator[Target]:
    """A server that does what `script` says on each connection."""
    protocols = [Subprotocol("graphql-transport-ws")]
    with serve(script, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        yield Target(f"ws://127.0.0.1:{port}/graphql", TOKEN)
        server.shutdown()
        thread.join()


def receive(connection: ServerConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=10))
    return message


def send(connection: ServerConnection, kind: str, **fields: object) -> None:
    connection.send(json.dumps({"type": kind, **fields}))


def acknowledge(connection: ServerConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take the connection; give the two messages that the client has sent for it."""
    init = receive(connection)
    send(connection, "connection_ack")
    return init, receive(connection)


def send_next(connection: ServerConnection, **payload: object) -> None:
    send(connection, "next", id="1", payload=payload)


def reason(script: Script) -> str:
    with gateway(script) as target, pytest.raises(StreamEnded) as ended:
        list(follow(target, "subscription { x }", {}))
    return str(ended.value)


def test_it_shows_its_token_and_subscribes_with_document_and_variables() -> None:
    seen: list[Any] = []

    def script(connection: ServerConnection) -> None:
        assert connection.subprotocol == "graphql-transport-ws"
        seen.extend(acknowledge(connection))
        send_next(connection, data={"x": 1})

    with gateway(script) as target:
        assert next(follow(target, "subscription { x }", {"symbol": "BTCUSDT"})) == {"x": 1}
    init, subscribe = seen
    assert init == {"type": "connection_init", "payload": {"Authorization": f"Bearer {TOKEN}"}}
    assert subscribe["type"] == "subscribe"
    expected = {"query": "subscription { x }", "variables": {"symbol": "BTCUSDT"}}
    assert subscribe["payload"] == expected


def test_it_answers_a_ping_and_goes_on() -> None:
    answers: list[Any] = []

    def script(connection: ServerConnection) -> None:
        acknowledge(connection)
        send(connection, "ping")
        answers.append(receive(connection))
        send_next(connection, data={"x": 2})

    with gateway(script) as target:
        assert next(follow(target, "subscription { x }", {})) == {"x": 2}
    assert answers == [{"type": "pong"}]


def test_errors_are_told_with_their_codes() -> None:
    def script(connection: ServerConnection) -> None:
        acknowledge(connection)
        error = {"message": "no market is called 'X'", "extensions": {"code": "UNKNOWN_SYMBOL"}}
        send(connection, "error", id="1", payload=[error])

    assert reason(script) == "UNKNOWN_SYMBOL: no market is called 'X'"


def test_an_event_with_errors_ends_the_stream() -> None:
    def script(connection: ServerConnection) -> None:
        acknowledge(connection)
        error = {"message": "too slow", "extensions": {"code": "RATE_LIMITED"}}
        send_next(connection, data=None, errors=[error])

    assert reason(script) == "RATE_LIMITED: too slow"


def test_the_code_and_reason_of_a_close_are_told() -> None:
    assert (
        reason(lambda connection: connection.close(4401, "Unauthorized"))
        == "the gateway closed the connection: 4401 Unauthorized"
    )


def test_the_end_of_a_stream_is_told() -> None:
    def script(connection: ServerConnection) -> None:
        acknowledge(connection)
        send(connection, "complete", id="1")

    assert reason(script) == "the gateway ended the stream"


def test_a_lost_connection_is_told() -> None:
    def script(connection: ServerConnection) -> None:
        acknowledge(connection)
        connection.socket.close()

    assert reason(script) == "the connection to the gateway was lost"


def test_no_gateway_at_the_address_is_told_without_the_token() -> None:
    address = f"ws://127.0.0.1:{free_port()}/graphql"
    with pytest.raises(StreamEnded) as ended:
        next(follow(Target(address, TOKEN), "subscription { x }", {}))
    assert str(ended.value).startswith(f"no connection to {address}: ")
    assert TOKEN not in str(ended.value)


def test_the_target_does_not_show_its_token() -> None:
    assert TOKEN not in repr(Target("ws://127.0.0.1/graphql", TOKEN))
