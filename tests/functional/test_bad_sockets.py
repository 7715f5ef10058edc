"""Bad input on the WebSocket: a close code of the protocol, or an error that ends one stream."""

import json
import socket as sockets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Close

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Socket, close_frame, open_socket
from tests.functional.conftest import FreshService
from tests.functional.ordering import ACCOUNT, PLACE, command
from tests.functional.service import Service
from tests.processes import eventually

TICKERS = "subscription { tickers { symbol last } }"
BOOK = operation("watch-order-book")


@pytest.fixture(autouse=True)
def untroubled(service: Service) -> Iterator[None]:
    """No bad input may make the gateway log an error, keep a stream, or lose a socket."""
    before = service.log.stat().st_size
    yield
    assert service.complaints(before) == []
    assert eventually(lambda: service.metric("gateway_sockets") == 0)
    assert service.metric("gateway_subscriptions") == 0


@pytest.fixture
def socket(service: Service, trader: Caller) -> Iterator[Socket]:
    """An initialised connection."""
    with open_socket(service.ws_url, trader.token) as opened:
        yield opened


GARBAGE: dict[str, str | bytes] = {
    "text": "hello",
    "empty": "",
    "null": "null",
    "number": "7",
    "list": "[]",
    "no type": "{}",
    "unknown type": '{"type": "dance"}',
    "legacy start": '{"type": "start", "id": "1"}',
    "type is a number": '{"type": 7}',
    "deep": "[" * 30_000,
    "zero bytes": "\x00" * 100,
    "half a surrogate": '{"type": "connection_init", "payload": {"a": "\\ud800"}}',
    "binary": b"\xff\xfe\x00",
    "empty binary": b"",
    "no text within": b'{"type": "connection_init", "payload": {"Authorization": "Bearer \xff"}}',
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("when", ["before init", "after init"])
def test_a_frame_that_is_no_message_closes_with_4400(
    service: Service, trader: Caller, when: str, name: str
) -> None:
    with open_socket(service.ws_url, trader.token if when == "after init" else None) as opened:
        opened.connection.send(GARBAGE[name])
        assert opened.closed() == 4400


SUBSCRIBES = {
    "no id": '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
    "id is a number": '{"type": "subscribe", "id": 7, "payload": {"query": "{ a }"}}',
    "long id": json.dumps({"type": "subscribe", "id": "x" * 129, "payload": {"query": "{ a }"}}),
    "no payload": '{"type": "subscribe", "id": "1"}',
    "payload is text": '{"type": "subscribe", "id": "1", "payload": "{ a }"}',
    "no query": '{"type": "subscribe", "id": "1", "payload": {}}',
}


@pytest.mark.parametrize("name", SUBSCRIBES)
def test_a_subscribe_that_is_none_closes_with_4400(socket: Socket, name: str) -> None:
    socket.connection.send(SUBSCRIBES[name])
    assert socket.closed() == 4400


def test_a_message_in_a_binary_frame_is_read_all_the_same(socket: Socket) -> None:
    socket.connection.send(b'{"type": "ping"}')
    assert socket.receive() == {"type": "pong"}


@pytest.mark.parametrize(
    "offered", [("graphql-ws",), ("mqtt",), ()], ids=["legacy", "mqtt", "none"]
)
def test_another_subprotocol_closes_with_4406(service: Service, offered: tuple[str, ...]) -> None:
    if offered:
        assert handshake(service, offered) == 4406
    else:
        with open_socket(service.ws_url, subprotocols=()) as opened:
            assert opened.closed() == 4406


def handshake(service: Service, offered: tuple[str, ...]) -> int:
    """The close code after a handshake, which the library would refuse to go through with."""
    parts = urlsplit(service.ws_url)
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: {', '.join(offered)}\r\n\r\n"
    )
    with sockets.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(request.encode())
        received = b""
        while len((received := received + raw.recv(4096)).partition(b"\r\n\r\n")[2]) < 4:
            pass
        head, _, frame = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"graphql-ws" not in head
        assert frame[0] == 0x88
        return Close.parse(frame[2:]).code


def test_the_right_subprotocol_among_others_is_chosen(service: Service, trader: Caller) -> None:
    offered = ("graphql-ws", "graphql-transport-ws")
    with open_socket(service.ws_url, trader.token, subprotocols=offered) as opened:
        assert opened.connection.subprotocol == "graphql-transport-ws"


def test_a_connection_that_says_nothing_is_closed_with_4408(service: Service) -> None:
    with open_socket(service.ws_url) as opened:
        assert opened.closed() == 4408


def test_pings_do_not_put_off_the_time_to_initialise(service: Service) -> None:
    with open_socket(service.ws_url) as opened:
        opened.send(type="ping")
        assert opened.receive() == {"type": "pong"}
        assert opened.closed() == 4408


def test_subscribing_before_the_acknowledgement_closes_with_4401(service: Service) -> None:
    with open_socket(service.ws_url) as opened:
        opened.subscribe(TICKERS)
        assert opened.closed() == 4401


def test_initialising_twice_closes_with_4429(socket: Socket, trader: Caller) -> None:
    socket.send(type="connection_init", payload={"Authorization": f"Bearer {trader.token}"})
    assert socket.closed() == 4429


def test_an_id_in_use_closes_with_4409(socket: Socket) -> None:
    socket.subscribe(TICKERS)
    socket.next()
    socket.subscribe(TICKERS)
    assert socket.closed() == 4409


def test_an_id_is_free_again_after_its_end(socket: Socket) -> None:
    for _ in range(3):
        socket.subscribe("{ __typename }")
        assert socket.next() == {"__typename": "Query"}
        assert socket.receive() == {"id": "1", "type": "complete"}


PAYLOADS: dict[str, dict[str, Any]] = {
    "none": {},
    "null": {"payload": None},
    "empty": {"payload": {}},
    "text": {"payload": "Bearer x"},
    "wrong token": {"payload": {"Authorization": "Bearer ngw_wrong"}},
    "no scheme": {"payload": {"Authorization": "ngw_wrong"}},
    "a number": {"payload": {"Authorization": 7}},
    "long": {"payload": {"Authorization": "Bearer " + "x" * 5000}},
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_without_a_known_token_the_connection_closes_with_4403(service: Service, name: str) -> None:
    with open_socket(service.ws_url) as opened:
        opened.send(type="connection_init", **PAYLOADS[name])
        frame = close_frame(opened.connection)
        assert frame.code == 4403
        assert "ngw_" not in frame.reason


def test_an_expired_token_closes_with_4403(service: Service) -> None:
    with open_socket(service.ws_url) as opened:
        token = service.members["former"].token
        opened.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        assert opened.closed() == 4403


def test_the_token_may_be_in_the_upgrades_header(service: Service, trader: Caller) -> None:
    with open_socket(service.ws_url, headers=trader.headers) as opened:
        opened.send(type="connection_init")
        assert opened.receive() == {"type": "connection_ack"}


def test_a_frame_that_is_too_long_closes_with_1009(socket: Socket) -> None:
    socket.send(type="ping", payload={"a": "x" * 70_000})
    assert socket.closed() == 1009


def test_a_flood_of_pings_is_answered_and_harms_nobody(socket: Socket, trader: Caller) -> None:
    for _ in range(5000):
        socket.send(type="ping")
    socket.subscribe("{ __typename }")
    while (message := socket.receive())["type"] == "pong":
        pass
    assert message["payload"]["data"] == {"__typename": "Query"}
    assert trader.answer("{ __typename }")


def test_messages_that_ask_for_nothing_are_let_pass(socket: Socket) -> None:
    socket.send(type="pong")
    socket.send(type="complete", id="unknown")
    socket.send(type="complete")
    socket.send(type="ping", payload={"a": 1})
    assert socket.receive() == {"type": "pong"}


def test_more_subscriptions_than_allowed_are_refused_one_by_one(socket: Socket) -> None:
    for number in range(100):
        socket.subscribe(TICKERS, str(number))
    socket.subscribe(TICKERS, "too-many")
    while (message := socket.receive())["id"] != "too-many":
        pass
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"] == {
        "code": "RATE_LIMITED",
        "retryable": True,
        "retryAfter": 1,
    }
    socket.send(type="complete", id="7")
    socket.subscribe("{ __typename }", "again")
    while (message := socket.receive())["id"] != "again":
        pass
    assert message["type"] == "next"


def test_complete_ends_the_stream(service: Service, socket: Socket) -> None:
    socket.subscribe(TICKERS)
    socket.next()
    assert service.metric("gateway_subscriptions", field="tickers") == 1
    socket.send(type="complete", id="1")
    assert eventually(lambda: service.metric("gateway_subscriptions") == 0)
    assert eventually(lambda: service.metric("gateway_subscription_groups") == 0)


def test_queries_and_mutations_are_answered_too(socket: Socket) -> None:
    socket.subscribe(ACCOUNT, "query", id="demo")
    assert socket.next("query")["account"]["id"] == "demo"
    assert socket.receive() == {"id": "query", "type": "complete"}
    socket.subscribe(PLACE, "mutation", **command("by-socket"))
    assert socket.next("mutation")["placeOrder"]["__typename"] == "OrderAccepted"
    assert socket.receive() == {"id": "mutation", "type": "complete"}


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no document": ("hello", {}, "GRAPHQL_PARSE_FAILED"),
    "unknown field": ("subscription { nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "two fields": (
        'subscription { tickers { last } trades(symbol: "BTCUSDT") { __typename } }',
        {},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "too much": ("{ " + "__typename " * 1000 + "}", {}, "TOO_COMPLEX"),
    "unknown symbol": (BOOK, {"symbol": "NOSUCH"}, "UNKNOWN_SYMBOL"),
    "unknown symbol among some": (
        operation("watch-tickers"),
        {"symbols": ["BTCUSDT", "NOSUCH"]},
        "UNKNOWN_SYMBOL",
    ),
    "depth": (BOOK, {"symbol": "BTCUSDT", "depth": 0}, "BAD_USER_INPUT"),
    "missing variable": (BOOK, {}, "BAD_USER_INPUT"),
    "wrong variable": (BOOK, {"symbol": 7}, "BAD_USER_INPUT"),
    "unknown account": (operation("watch-orders"), {"account": "nobody"}, "UNKNOWN_ACCOUNT"),
    "other account": (operation("watch-orders"), {"account": "vault"}, "UNKNOWN_ACCOUNT"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_that_cannot_run_ends_with_an_error_and_the_connection_stays(
    socket: Socket, name: str
) -> None:
    query, variables, code = REFUSED[name]
    socket.subscribe(query, **variables)
    assert socket.error_code() == code
    socket.subscribe("{ __typename }")
    assert socket.next() == {"__typename": "Query"}


def test_variables_that_are_no_object_end_with_an_error(socket: Socket) -> None:
    payload = {"query": TICKERS, "variables": [1]}
    socket.send(type="subscribe", id="1", payload=payload)
    assert socket.error_code() == "BAD_USER_INPUT"


def test_a_page_of_an_allowed_origin_may_connect(service: Service, trader: Caller) -> None:
    origin = {"Origin": "https://desk.example.com"}
    with open_socket(service.ws_url, trader.token, headers=origin) as opened:
        opened.send(type="ping")
        assert opened.receive() == {"type": "pong"}


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://desk.example.com"])
def test_a_page_of_another_origin_may_not_connect(service: Service, origin: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refusal,
        open_socket(service.ws_url, headers={"Origin": origin}),
    ):
        pass
    assert refusal.value.response.status_code == 403


def test_a_peer_that_breaks_off_leaves_nothing_behind(service: Service, trader: Caller) -> None:
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(TICKERS)
        opened.next()
        opened.connection.socket.shutdown(sockets.SHUT_RDWR)
        assert eventually(lambda: service.metric("gateway_sockets") == 0)
    assert eventually(lambda: service.metric("gateway_subscription_groups") == 0)


def test_peers_that_stay_silent_keep_nobody_out(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_MAX_WAITING_CONNECTIONS="2", NGW_CONNECTION_INIT_S="60")
    token = service.caller().token
    with ExitStack() as stack:
        silent = [stack.enter_context(open_socket(service.ws_url)) for _ in range(3)]
        assert silent[0].closed() == 1013
        greeted = stack.enter_context(open_socket(service.ws_url, token))
        greeted.send(type="ping")
        assert greeted.receive() == {"type": "pong"}
        assert silent[1].closed() == 1013


def test_subscriptions_of_a_principal_are_bounded_over_all_its_sockets(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_MAX_SUBSCRIPTIONS_PER_PRINCIPAL="1")
    token = service.caller().token
    with open_socket(service.ws_url, token) as first, open_socket(service.ws_url, token) as second:
        first.subscribe(TICKERS)
        first.next()
        second.subscribe(TICKERS)
        assert second.error_code() == "RATE_LIMITED"
    limited = {"operation": "none", "code": "RATE_LIMITED"}
    assert service.metric("gateway_graphql_requests_total", **limited) == 1
