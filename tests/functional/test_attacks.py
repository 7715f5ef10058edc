"""Attacks on the edge: addresses, headers, framing, tokens, origins."""

import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.functional.callers import Caller, close_frame, open_socket
from tests.functional.ordering import PLACE, accepted, command
from tests.functional.raw_http import exchange, request, statuses
from tests.functional.service import Service
from tests.processes import eventually

WHO = "{ viewer { principal } }"
BODY = json.dumps({"query": WHO}).encode()
AS_JSON = "Content-Type: application/json"


@pytest.fixture(autouse=True)
def untroubled(service: Service) -> Iterator[None]:
    """No attack may make the gateway log an error or a traceback."""
    before = service.log.stat().st_size
    yield
    assert service.complaints(before) == []


@pytest.mark.parametrize(
    "target",
    [
        "/graphql/../metrics",
        "/graphql/..%2fmetrics",
        "/graphql/%2e%2e/metrics",
        "/graphql/%252e%252e/metrics",
        "/graphql/..;/metrics",
        "/graphql\\..\\metrics",
        "/./metrics",
        "//metrics",
        "//gateway/metrics",
        "/metrics/",
        "/metrics;x",
        "/metrics%00",
        "/metrics%20",
        "/METRICS",
        "/%2fmetrics",
        "//graphql",
        "/graphql/",
        "*",
        "http://evil.example.com//metrics",
    ],
)
def test_an_address_is_what_it_says_and_nothing_is_taken_out_of_it(
    service: Service, target: str
) -> None:
    received = exchange(service, request(target))
    assert statuses(received) in ([404], [400])
    assert b"gateway_" not in received
    assert b"evil" not in received


def test_the_host_in_an_absolute_address_counts_for_nothing(service: Service) -> None:
    anonymous = request(
        "http://evil.example.com/graphql",
        AS_JSON,
        f"Content-Length: {len(BODY)}",
        "Host: evil.example.com",
        method="POST",
        body=BODY,
    )
    received = exchange(service, anonymous)
    assert statuses(received) == [401]
    assert b"evil" not in received


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL: /metrics",
        "X-Rewrite-URL: /metrics",
        "X-Forwarded-Prefix: /metrics",
        "X-Forwarded-Host: evil.example.com",
        "X-HTTP-Method-Override: DELETE",
        "Forwarded: for=127.0.0.1;host=evil.example.com",
    ],
)
def test_no_header_changes_where_a_request_goes(service: Service, header: str) -> None:
    received = exchange(service, request("/healthz", header))
    assert statuses(received) == [200]
    assert received.endswith(b"\r\n\r\nok\n")
    assert b"evil" not in received


def test_no_header_makes_a_post_of_a_get(service: Service, trader: Caller) -> None:
    sent = {"query": PLACE, "variables": json.dumps(command("overridden"))}
    headers = {**trader.headers, "X-HTTP-Method-Override": "POST"}
    before = service.exchange.orders("demo", price=300_000)
    response = service.http.get("/graphql", params=sent, headers=headers)
    assert response.status_code == 405
    assert service.exchange.orders("demo", price=300_000) == before


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-User: trader",
        "X-Remote-User: trader",
        "X-Forwarded-For: 127.0.0.1",
        "Proxy-Authorization: Bearer {token}",
        "X-Authorization: Bearer {token}",
        "Cookie: Authorization=Bearer {token}; token={token}",
        "Authorization: {token}",
        "Authorization: Basic {token}",
        "Authorization: Bearer {token}, Bearer {token}",
        "Authorization: Bearer,{token}",
    ],
)
def test_nothing_but_one_bearer_token_proves_who_calls(service: Service, header: str) -> None:
    given = header.format(token=service.members["trader"].token)
    sent = request(
        "/graphql", AS_JSON, f"Content-Length: {len(BODY)}", given, method="POST", body=BODY
    )
    assert statuses(exchange(service, sent)) == [401]


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization"])
def test_a_token_in_the_address_or_the_body_proves_nothing(service: Service, name: str) -> None:
    token = service.members["trader"].token
    value = f"Bearer {token}"
    by_get = service.http.get("/graphql", params={"query": WHO, name: value})
    body = {"query": WHO, name: value, "extensions": {name: value}, "variables": {name: value}}
    by_post = service.http.post("/graphql", json=body, params={name: value})
    assert (by_get.status_code, by_post.status_code) == (401, 401)
    with open_socket(f"{service.ws_url}?{name}={token}") as socket:
        socket.send(type="connection_init", payload={})
        assert socket.closed() == 4403


@pytest.mark.parametrize("order", [("trader", "reader"), ("reader", "trader"), ("trader",) * 2])
def test_of_two_tokens_none_counts(service: Service, order: tuple[str, str]) -> None:
    given = [f"Authorization: Bearer {service.members[name].token}" for name in order]
    sent = request(
        "/graphql", AS_JSON, f"Content-Length: {len(BODY)}", *given, method="POST", body=BODY
    )
    assert statuses(exchange(service, sent)) == [401]


def test_of_two_tokens_of_an_upgrade_none_counts(service: Service) -> None:
    token = f"Bearer {service.members['trader'].token}"
    with connect(
        service.ws_url,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers=[("Authorization", token), ("Authorization", token)],
        compression=None,
        proxy=None,
    ) as connection:
        connection.send('{"type": "connection_init"}')
        assert close_frame(connection).code == 4403


HIDDEN = request("/metrics")
"""A second request in what a proxy in front takes for the first one's body."""

CHUNKED = b"0\r\n\r\n"
LENGTH = f"Content-Length: {len(CHUNKED) + len(HIDDEN)}"
SMUGGLED = {
    "both lengths": (LENGTH, "Transfer-Encoding: chunked"),
    "both lengths, the other way": ("Transfer-Encoding: chunked", LENGTH),
    "two lengths": ("Content-Length: 5", LENGTH),
    "two lengths in one": (f"{LENGTH}, 5",),
    "a length with a sign": (f"Content-Length: +{len(CHUNKED) + len(HIDDEN)}",),
    "a length in hex": ("Content-Length: 0x5",),
    "an unknown coding": ("Transfer-Encoding: xchunked",),
    "a coding after chunked": ("Transfer-Encoding: chunked, identity",),
    "chunked twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", LENGTH),
    "a control character": ("Transfer-Encoding: \x0bchunked", LENGTH),
    "a space before the colon": ("Transfer-Encoding : chunked", LENGTH),
    "a folded line": ("Transfer-Encoding:\r\n chunked", LENGTH),
    "a bare line feed": (f"X: y\nTransfer-Encoding: chunked\r\n{LENGTH}",),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_of_a_request_whose_end_is_in_doubt_no_second_one_is_read(
    service: Service, name: str
) -> None:
    begin = request("/graphql", AS_JSON, *SMUGGLED[name], method="POST")
    begin = begin.replace(b"Connection: close\r\n", b"")
    received = exchange(service, begin + CHUNKED + HIDDEN)
    assert statuses(received)[1:] == []
    assert b"gateway_" not in received


@pytest.mark.parametrize(
    "body",
    [b"5;x\ny\r\nhello\r\n0\r\n\r\n", b"fffffffffffffffff\r\nx\r\n0\r\n\r\n", b"-1\r\nx\r\n"],
    ids=["a line feed in an extension", "a size over 64 bits", "a size with a sign"],
)
def test_a_chunk_that_is_none_is_refused(service: Service, trader: Caller, body: bytes) -> None:
    sent = request(
        "/graphql",
        AS_JSON,
        "Transfer-Encoding: chunked",
        method="POST",
        token=trader.token,
        body=body + HIDDEN,
    )
    received = exchange(service, sent)
    assert statuses(received)[1:] == []
    assert b"gateway_" not in received


@pytest.mark.parametrize(
    "token",
    [
        "\x00",
        "ngw_\x00",
        "ngw_é",
        "\U0001f511.\u202e.\u0000",
        "a.b.c",
        "..",
        "x" * 60_000,
        "." * 60_000,
        ["ngw"],
        {"Bearer": "x"},
        7,
        None,
    ],
    ids=lambda token: ascii(token)[:20],
)
def test_whatever_a_socket_takes_for_a_token_it_closes_with_4403(
    service: Service, token: object
) -> None:
    value = f"Bearer {token}" if isinstance(token, str) else token
    with open_socket(service.ws_url) as socket:
        socket.send(type="connection_init", payload={"Authorization": value})
        assert socket.closed() == 4403


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (b"\x00", 400),
        (b"ngw_\x00", 400),
        (b"\xc3\xa9.\xff.\xfe", 401),
        (b"a.b.c", 401),
        (b"." * 9_000, 401),
        (b"x" * 15_000, 401),
        (b"x" * 20_000, 431),
        (b"x" * 2_000_000, 431),
    ],
    ids=lambda value: f"{ascii(value)[:20]} of {len(value)}" if isinstance(value, bytes) else None,
)
def test_a_token_that_is_none_is_refused_whatever_its_size(
    service: Service, token: bytes, status: int
) -> None:
    head = b"GET /graphql HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
    try:
        received = exchange(service, head + b"Authorization: Bearer " + token + b"\r\n\r\n")
    except OSError:  # it closes while there is more to send, and the system drops its answer
        assert len(token) > 1_000_000
    else:
        assert statuses(received) == [status]
        assert token not in received


ORIGINS = (
    "https://desk.example.com.evil.example",
    "https://evildesk.example.com",
    "https://desk.example.com:8443",
    "https://desk.example.com/",
    "HTTPS://DESK.EXAMPLE.COM",
    "https://desk.example.com, https://evil.example",
    "file://",
    "",
)


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_that_looks_like_an_allowed_one_opens_no_socket(
    service: Service, origin: str
) -> None:
    token = service.members["trader"].token
    upgrade = (
        f"Origin: {origin}",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    )
    sent = request("/graphql", *upgrade, token=token)
    sent = sent.replace(b"Connection: close", b"Connection: Upgrade")
    assert statuses(exchange(service, sent)) == [403]


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_that_looks_like_an_allowed_one_may_not_read_an_answer(
    service: Service, trader: Caller, origin: str
) -> None:
    headers = {**trader.headers, "Origin": origin}
    response = service.http.post("/graphql", json={"query": WHO}, headers=headers)
    assert "access-control-allow-origin" not in response.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert service.http.options("/graphql", headers=asked).status_code == 400


def test_a_body_that_reads_like_an_address_gets_no_kept_answer(
    service: Service, trader: Caller
) -> None:
    asked = "query=%7B%20markets%20%7B%20symbol%20%7D%20%7D"
    headers = {**trader.headers, "Content-Type": "application/json"}
    kept = service.metric("gateway_answers_total", kept="yes")

    def answered_as_before() -> bool:
        assert service.http.get(f"/graphql?{asked}", headers=headers).status_code == 200
        return service.metric("gateway_answers_total", kept="yes") > kept

    assert eventually(answered_as_before)
    assert service.http.post("/graphql", content=f"?{asked}", headers=headers).status_code == 400


ACCOUNT = "query ($id: ID!) { account(id: $id) { openOrders { orderId } } }"
ELSEWHERE = ("../vault", "demo/../vault", "vault", "demo\x00", "demo%2f..%2fvault", "VAULT", "*")


@pytest.mark.parametrize("account", ELSEWHERE)
def test_no_spelling_of_an_account_leads_to_another(
    service: Service, trader: Caller, account: str
) -> None:
    assert trader.code(ACCOUNT, id=account) == "UNKNOWN_ACCOUNT"
    placed = trader.answer(PLACE, **command("elsewhere", account=account))["placeOrder"]
    assert placed["code"] == "UNKNOWN_ACCOUNT"
    with open_socket(service.ws_url, trader.token) as socket:
        socket.subscribe("subscription ($a: ID!) { balances(account: $a) { asset } }", a=account)
        assert socket.error_code() in ("UNKNOWN_ACCOUNT", "GRAPHQL_VALIDATION_FAILED")
    assert service.exchange.truth("vault")["orders"] == []


PLACEMENT = "query ($id: ID!) { placement(id: $id) { id } }"


def test_a_placement_of_somebody_else_is_as_unknown_as_none_but_to_who_operates_the_account(
    service: Service, trader: Caller
) -> None:
    own = accepted(trader, "whose-placement")["placement"]["id"]
    for caller in (trader, service.caller("operator")):
        assert caller.answer(PLACEMENT, id=own)["placement"] == {"id": own}
    for name in ("second-trader", "auditor", "placer"):
        other = service.caller(name)
        answers = [other.post(PLACEMENT, id=given).json() for given in (own, own[:-1] + "x")]
        for answer in answers:
            del answer["extensions"]
            for error in answer.get("errors", ()):
                error["extensions"].pop("traceId", None)
        assert answers[0] == answers[1]
        assert answers[0].get("data") in (None, {"placement": None})
