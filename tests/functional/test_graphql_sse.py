"""Subscriptions over server-sent events: GraphQL over SSE, distinct connections mode."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, open_socket
from tests.functional.conftest import FreshService, running_service
from tests.functional.event_stream import EVENTS, Event, event_stream
from tests.functional.exchange import Exchange
from tests.functional.ordering import PLACE, accepted, command
from tests.functional.service import MARKET, PEOPLE, Member, Service
from tests.processes import eventually

TICKERS = operation("watch-tickers")
ORDERS = operation("watch-orders")
TRADES = operation("watch-trades")
SUSPENDED = {"principal": "reader", "reason": "a test"}
PAGE = "https://desk.example.com"


@pytest.fixture(autouse=True)
def untroubled(service: Service) -> Iterator[None]:
    """Whatever a reader does, the gateway logs no error and keeps nothing of it."""
    before = service.log.stat().st_size
    yield
    assert eventually(lambda: service.metric("gateway_event_streams") == 0)
    assert service.complaints(since=before) == []


def test_prices_begin_with_what_is_known_and_follow_each_trade(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with event_stream(trader, TICKERS, symbols=["HOTUSDT"]) as stream:
        assert stream.next()["tickers"]["symbol"] == "HOTUSDT"
        exchange.trade("HOTUSDT", "0.0091", "2000")
        while stream.next()["tickers"]["last"] != "0.0091":
            pass
        assert stream.retry is not None
        assert 1000 <= stream.retry <= 3000
        assert service.metric("gateway_event_streams") == 1
        assert service.metric("gateway_subscriptions", field="tickers") == 1
    assert eventually(lambda: service.metric("gateway_subscriptions", field="tickers") == 0)


def test_no_proxy_may_keep_or_change_or_hold_back_what_is_streamed(trader: Caller) -> None:
    with event_stream(trader, TICKERS) as stream:
        headers = stream.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache, no-store, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in headers


def test_orders_are_followed_from_those_that_stand(trader: Caller) -> None:
    placed = accepted(trader, "heard-by-events")["order"]["orderId"]
    with event_stream(trader, ORDERS, account="demo") as stream:
        while stream.next()["orders"].get("orderId") != placed:
            pass


def test_a_get_subscribes_too(service: Service, trader: Caller) -> None:
    asked = {"query": TICKERS, "variables": json.dumps({"symbols": ["HOTUSDT"]})}
    headers = trader.headers | EVENTS
    with service.http.stream("GET", "/graphql", params=asked, headers=headers) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry: ")
        assert [next(lines) for _ in range(2)] == ["", "event: next"]
        assert json.loads(next(lines).removeprefix("data: "))["data"]["tickers"]["last"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_by_events_is_one_result_also_when_its_answer_was_kept(
    service: Service, trader: Caller, method: str
) -> None:
    query = '{ market(symbol: "BTCUSDT") { symbol } }'
    sent: Json = {"params" if method == "GET" else "json": {"query": query}}
    service.http.request(method, "/graphql", headers=trader.headers, **sent)
    response = service.http.request(method, "/graphql", headers=trader.headers | EVENTS, **sent)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    first, last = response.text.split("\n\n")[:-1]
    assert first.startswith('event: next\ndata: {"data":{"market":{"symbol":"BTCUSDT"}}')
    assert last == "event: complete\ndata:"


def test_an_order_by_events_is_placed_once(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    given = command("by-events", price="340020")
    with event_stream(trader, PLACE, **given) as stream:
        assert stream.next()["placeOrder"]["placement"]["state"] == "ACCEPTED"
        assert stream.receive() == Event("complete", "")
        assert stream.receive() is None
    assert len(exchange.requests("market/limit-buy", price="340020")) == 1


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        (TRADES, {}, "BAD_USER_INPUT"),
        (TRADES, {"symbol": "NOTHING"}, "UNKNOWN_SYMBOL"),
        (ORDERS, {"account": "unheard-of"}, "UNKNOWN_ACCOUNT"),
    ],
    ids=["no document", "no such field", "no variable", "no such market", "no such account"],
)
def test_what_cannot_be_executed_is_told_by_an_event(
    trader: Caller, query: str, variables: dict[str, str], code: str
) -> None:
    with event_stream(trader, query, **variables) as stream:
        assert stream.response.status_code == 200
        assert stream.error_code() == code


def test_what_the_policy_denies_is_told_by_an_event(service: Service) -> None:
    with event_stream(service.caller("placer"), TICKERS) as stream:
        assert stream.error_code() == "FORBIDDEN"


@pytest.mark.parametrize(
    ("method", "sent", "status"),
    [
        ("PUT", {"json": {"query": TICKERS}}, 405),
        ("GET", {"params": {"query": "mutation { a }"}}, 200),
        ("GET", {"params": {"query": PLACE}}, 405),
        ("GET", {}, 400),
        ("POST", {"content": b"{"}, 415),
        ("POST", {"json": {"query": 7}}, 400),
        ("POST", {"json": {"query": TICKERS}, "headers": {"Accept": "text/html"}}, 406),
        ("POST", {"json": {"query": TICKERS}, "headers": {"Accept": "*/*"}}, 400),
        ("POST", {"json": {"query": TICKERS}, "headers": {"Authorization": "Bearer no"}}, 401),
    ],
    ids=range(9),
)
def test_a_request_that_is_none_is_refused_as_any_other(
    service: Service, trader: Caller, method: str, sent: Json, status: int
) -> None:
    headers = trader.headers | EVENTS | sent.pop("headers", {})
    response = service.http.request(method, "/graphql", headers=headers, **sent)
    assert response.status_code == status
    if status != 200:
        assert response.headers["content-type"] == "application/json"
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "UNAUTHENTICATED"}


def test_equal_subscriptions_over_sockets_and_events_are_one_execution(
    service: Service, trader: Caller
) -> None:
    assert eventually(lambda: service.metric("gateway_subscription_groups") == 0)
    with (
        event_stream(trader, TICKERS, symbols=["UNIUSDT"]) as first,
        event_stream(trader, TICKERS, symbols=["UNIUSDT"]) as second,
        open_socket(service.ws_url, trader.token) as opened,
    ):
        opened.subscribe(TICKERS, symbols=["UNIUSDT"])
        assert first.next() == second.next() == opened.next()
        assert service.metric("gateway_subscription_groups") == 1
        assert service.metric("gateway_subscriptions", field="tickers") == 3


def test_a_page_of_an_allowed_origin_may_read_events_and_another_may_not(
    service: Service, trader: Caller
) -> None:
    for origin, allowed in ((PAGE, PAGE), ("https://evil.example.com", None)):
        headers = trader.headers | EVENTS | {"Origin": origin}
        body = {"query": TICKERS}
        with service.http.stream("POST", "/graphql", json=body, headers=headers) as response:
            assert response.headers.get("access-control-allow-origin") == allowed


def test_streams_of_a_principal_are_bounded(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_MAX_CONNECTIONS_PER_PRINCIPAL="1")
    caller, other = service.caller(), service.caller("second-trader")
    with event_stream(caller, TICKERS) as stream:
        stream.next()
        with event_stream(caller, TICKERS) as refused:
            assert (refused.response.status_code, refused.response.headers["retry-after"]) == (
                429,
                "1",
            )
            (error,) = refused.response.json()["errors"]
            assert error["extensions"]["code"] == "RATE_LIMITED"
        with event_stream(other, TICKERS) as of_another:
            of_another.next()
    assert eventually(lambda: service.metric("gateway_event_streams") == 0)
    with event_stream(caller, TICKERS) as again:
        again.next()


def test_subscriptions_are_bounded_over_sockets_and_events_together(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_MAX_SUBSCRIPTIONS_PER_PRINCIPAL="1")
    caller = service.caller()
    with open_socket(service.ws_url, caller.token) as opened:
        opened.subscribe(TICKERS)
        opened.next()
        with event_stream(caller, TICKERS) as refused:
            assert refused.response.status_code == 429


def test_a_token_taken_away_ends_its_streams_and_no_other(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with (
        running_service(tmp_path_factory) as service,
        event_stream(service.caller("trader"), TICKERS) as lost,
        event_stream(service.caller("second-trader"), TICKERS) as kept,
    ):
        lost.next()
        kept.next()
        service.write_policy(each for each in PEOPLE if each.name != "trader")
        assert lost.error_code() == "UNAUTHENTICATED"
        service.exchange.trade("HOTUSDT", "0.0099", "2000")
        while kept.next()["tickers"]["last"] != "0.0099":
            pass


def test_a_suspension_ends_streams(service: Service) -> None:
    operator, reader = service.caller("operator"), service.caller("reader")
    with event_stream(reader, TICKERS) as stream:
        stream.next()
        operator.answer(operation("suspend-principal"), **SUSPENDED)
        try:
            assert stream.error_code() == "UNAUTHENTICATED"
        finally:
            operator.answer(operation("restore-principal"), **SUSPENDED)
    assert eventually(lambda: reader.post("{ __typename }").status_code == 200)


def test_a_token_that_expires_ends_its_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    people = (Member("brief", (MARKET,), expires=until),)
    with running_service(tmp_path_factory, people=people) as service:
        with event_stream(service.caller("brief"), TICKERS) as stream:
            stream.next()
            assert stream.error_code() == "UNAUTHENTICATED"
        assert datetime.now(UTC) >= datetime.fromisoformat(until)


def test_a_reader_too_slow_for_trades_is_told_so_and_another_loses_nothing(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_STREAM_QUEUE="16")
    caller = service.caller()
    wide = " ".join(f"{letter * 4_000}: price" for letter in "abcdefghijkl")
    query = f'subscription {{ trades(symbol: "BTCUSDT") {{ ... on Trade {{ quantity {wide} }} }} }}'
    with closing(socket.socket()) as raw, event_stream(caller, query) as reader:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(("127.0.0.1", service.port))
        raw.sendall(_request(caller, query))
        assert eventually(lambda: service.metric("gateway_subscriptions", field="trades") == 2)
        for number in range(1001, 1151):
            service.exchange.trade("BTCUSDT", "50000", f"0.{number}")
            while reader.next()["trades"]["quantity"] != f"0.{number}".rstrip("0"):
                pass
        assert service.metric("gateway_slow_streams_total") == 1
        assert service.metric("gateway_subscriptions", field="trades") == 1
        raw.settimeout(15)
        received = b"".join(iter(lambda: raw.recv(65_536), b""))
        assert received.count(b"event: next\n") < 150
        assert b'"RATE_LIMITED"' in received
        assert received.endswith(b"event: complete\ndata:\n\n\r\n0\r\n\r\n")


def test_a_reader_who_goes_with_another_request_behind_its_stream_is_no_fault(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    """Nothing is read from such a connection: that it is gone shows when something is written."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=15) as raw:
        raw.sendall(_request(trader, TICKERS) + b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
        while b"event: next" not in raw.recv(65_536):
            pass

    def is_gone() -> bool:
        exchange.trade("HOTUSDT", "0.0091", "2000")
        return service.metric("gateway_event_streams") == 0

    assert eventually(is_gone)


def _request(caller: Caller, query: str) -> bytes:
    body = json.dumps({"query": query}).encode()
    head = [
        "POST /graphql HTTP/1.1",
        "Host: gateway",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Authorization: Bearer {caller.token}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def test_on_sigterm_streams_break_off_one_by_one_and_their_readers_know_when_to_come_back(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_SHUTDOWN_GRACE_S="30")
    caller = service.caller()
    with ExitStack() as stack:
        streams = [stack.enter_context(event_stream(caller, TICKERS)) for _ in range(60)]
        for each in streams:
            each.next()
        service.signal(signal.SIGTERM)
        assert streams[0].broke_off()
        refused = service.http.post(
            "/graphql", json={"query": TICKERS}, headers=caller.headers | EVENTS
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (refused.headers["connection"], refused.json()["errors"][0]["extensions"]) == (
            "close",
            {"code": "STOPPING", "retryable": True, "retryAfter": 1},
        )
        assert service.metric("gateway_event_streams") > 0
        assert all(each.broke_off() for each in streams[1:])
        assert len({each.retry for each in streams}) > 1
    assert service.exit_code(within_s=20) == 0
    assert service.complaints() == []
