"""Bad input over HTTP: each a clear error with a code, none the server's fault."""

import json
from collections.abc import Iterator

import httpx
import pytest
from graphql import get_introspection_query

from tests.functional.callers import Caller
from tests.functional.exchange import Exchange
from tests.functional.ordering import ACCOUNT, PLACE, command, place
from tests.functional.service import Service

VALIDATION = "GRAPHQL_VALIDATION_FAILED"
TWO_MEGABYTES = 2_000_000


@pytest.fixture(autouse=True)
def untroubled(service: Service) -> Iterator[None]:
    """No bad input may make the gateway log an error or a traceback."""
    before = service.log.stat().st_size
    yield
    assert service.complaints(before) == []


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refused request."""
    (error,) = response.json()["errors"]
    assert error["message"]
    return response.status_code, error["extensions"]["code"]


def send(caller: Caller, content: bytes | Iterator[bytes]) -> httpx.Response:
    headers = {**caller.headers, "Content-Type": "application/json"}
    return caller.http.post("/graphql", content=content, headers=headers)


def nested(levels: int) -> str:
    """An order's placement has an order, which has a placement; `levels` is even."""
    inside = "__typename"
    for level in range(levels):
        inside = f"{'placement' if level % 2 else 'order'} {{ {inside} }}"
    return f'{{ account(id: "demo") {{ openOrders {{ {inside} }} }} }}'


@pytest.mark.parametrize("literal", ["0.5", "1", "1E5", '"NaN"', '"1E5"', "true", "null", "[]"])
def test_what_is_no_exact_decimal_is_refused_as_a_literal(trader: Caller, literal: str) -> None:
    order = f'{{limit: {{price: "300000", quantity: {literal}}}}}'
    document = (
        'mutation { placeOrder(input: {account: "demo", clientOrderId: "literal", '
        f'symbol: "BTCTRY", side: BUY, order: {order}}}) {{ __typename }} }}'
    )
    assert trader.code(document) in ("BAD_USER_INPUT", VALIDATION)


@pytest.mark.parametrize(
    "client_order_id", ["", "a b", "x" * 65, "é", "a/b", "a\n", "a:b", "\ud800"]
)
def test_a_bad_client_order_id_is_refused(trader: Caller, client_order_id: str) -> None:
    body = {"query": PLACE, "variables": command("bad") | {"clientOrderId": client_order_id}}
    response = send(trader, json.dumps(body).encode())
    assert response.status_code < 500
    answer = response.json()
    errors = answer.get("errors")
    code = errors[0]["extensions"]["code"] if errors else answer["data"]["placeOrder"]["code"]
    assert code == "BAD_USER_INPUT"


@pytest.mark.parametrize("account", ["nobody", "vault", "", "x" * 1000, "demo ", "DEMO"])
def test_an_account_without_a_grant_is_the_same_as_none(trader: Caller, account: str) -> None:
    assert trader.code(ACCOUNT, id=account) == "UNKNOWN_ACCOUNT"
    assert place(trader, "account", account=account)["code"] == "UNKNOWN_ACCOUNT"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ngw_wrong",
        "Basic dXNlcjpwYXNz",
        "ngw_without_scheme",
        "Bearer " + "x" * 5000,
        "Bearer \xff\xfe",
        "Bearer a b c",
    ],
    ids=["none", "empty", "scheme", "wrong", "basic", "bare", "long", "bytes", "words"],
)
def test_without_a_known_token_nothing_is_answered(
    service: Service, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = service.http.post(
        "/graphql",
        json={"query": "{ __typename }"},
        headers={name.encode(): value.encode("latin-1") for name, value in headers.items()},
    )
    assert refusal(response) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"
    assert "ngw_" not in response.text


def test_an_expired_token_is_refused(service: Service) -> None:
    assert refusal(service.caller("former").post("{ __typename }")) == (401, "UNAUTHENTICATED")


TOO_COMPLEX = {
    "deep": nested(10),
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(16)) + " }",
    "tokens": "{ " + "__typename " * 1000 + "}",
    "fragment bomb": "query { ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))
    + " fragment F30 on Query { __typename }",
    "aliases in fragments": "query { ...A ...B } "
    "fragment A on Query { "
    + " ".join(f"a{n}: __typename" for n in range(8))
    + " } "
    + "fragment B on Query { "
    + " ".join(f"b{n}: __typename" for n in range(8))
    + " }",
    "comments": "#\n" * 5000 + "{ __typename }",
}


@pytest.mark.parametrize("name", TOO_COMPLEX)
def test_a_document_that_asks_for_too_much_is_refused(trader: Caller, name: str) -> None:
    assert trader.code(TOO_COMPLEX[name]) == "TOO_COMPLEX"


INVALID = {
    "empty": ("", "GRAPHQL_PARSE_FAILED"),
    "blank": (" \n", "GRAPHQL_PARSE_FAILED"),
    "no document": ("hello", "GRAPHQL_PARSE_FAILED"),
    "open brace": ("{", "GRAPHQL_PARSE_FAILED"),
    "control character": ("{ a\x00 }", "GRAPHQL_PARSE_FAILED"),
    "deep parentheses": ("{" * 900, "GRAPHQL_PARSE_FAILED"),
    "unknown field": ("{ nothing }", VALIDATION),
    "unknown type": ("fragment F on Nothing { a } { ...F }", VALIDATION),
    "fragment cycle": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        VALIDATION,
    ),
    "fragment only": ("fragment F on Query { __typename }", VALIDATION),
    "schema": ("type Query { a: Int }", VALIDATION),
    "missing argument": ("{ market { symbol } }", VALIDATION),
    "wrong type": ("{ market(symbol: 7) { symbol } }", VALIDATION),
    "no selection": ('{ market(symbol: "BTCUSDT") }', VALIDATION),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_document_that_is_none_is_refused_with_its_kind(trader: Caller, name: str) -> None:
    query, code = INVALID[name]
    response = trader.post(query)
    assert response.status_code < 500
    errors = response.json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {code}
    assert "data" not in response.json()


@pytest.mark.parametrize("name", ["Nothing", "", None])
def test_an_operation_name_that_is_not_in_the_document_is_refused(
    trader: Caller, name: str | None
) -> None:
    query = "query A { __typename } query B { __typename }"
    body = {"query": query, "operationName": name}
    response = trader.http.post("/graphql", json=body, headers=trader.headers)
    assert response.json()["errors"][0]["extensions"]["code"] == VALIDATION


MEMBERS = {
    "no query": "query",
    "query is null": "query",
    "query is a number": "query",
    "variables are a list": "variables",
    "variables are text": "variables",
    "name is a number": "operationName",
}
"""What is wrong in a body that is a JSON object; "body" itself in every other."""

BODIES = {
    "nothing": b"",
    "no json": b"{",
    "text": b"{ __typename }",
    "null": b"null",
    "a number": b"7",
    "a list": b"[]",
    "a batch": b'[{"query": "{ __typename }"}, {"query": "{ __typename }"}]',
    "no query": b"{}",
    "query is null": b'{"query": null}',
    "query is a number": b'{"query": 7}',
    "variables are a list": b'{"query": "{ __typename }", "variables": []}',
    "variables are text": b'{"query": "{ __typename }", "variables": "{}"}',
    "name is a number": b'{"query": "{ __typename }", "operationName": 7}',
    "deep lists": b"[" * 30_000,
    "deep variables": b'{"query": "{ __typename }", "variables": {"a": '
    + b"[" * 20_000
    + b"]" * 20_000
    + b"}}",
    "no utf-8": b'{"query": "\xff\xfe"}',
    "utf-16": '{"query": "{ __typename }"}'.encode("utf-16"),
    "zero bytes": b"\x00" * 100,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_request_is_refused_and_the_wrong_member_named(
    trader: Caller, name: str
) -> None:
    response = send(trader, BODIES[name])
    assert refusal(response) == (400, "BAD_USER_INPUT")
    assert response.json()["errors"][0]["extensions"]["field"] == MEMBERS.get(name, "body")


@pytest.mark.parametrize("token", ["good", "none"])
@pytest.mark.parametrize("declared", ["length", "chunks"])
def test_a_body_of_two_megabytes_is_refused(service: Service, declared: str, token: str) -> None:
    caller = service.caller() if token == "good" else Caller(service.http, None)
    expected = (413, "BAD_USER_INPUT") if token == "good" else (401, "UNAUTHENTICATED")
    whole = b'{"query": "' + b"#" * TWO_MEGABYTES
    pieces = (whole[at : at + 50_000] for at in range(0, len(whole), 50_000))
    assert refusal(send(caller, whole if declared == "length" else pieces)) == expected


def test_a_mutation_by_get_is_refused_and_not_carried_out(
    exchange: Exchange, trader: Caller
) -> None:
    variables = json.dumps(command("by-get", price="320000"))
    response = trader.http.get(
        "/graphql", params={"query": PLACE, "variables": variables}, headers=trader.headers
    )
    assert refusal(response) == (405, "BAD_USER_INPUT")
    assert response.headers["allow"] == "POST"
    assert exchange.requests("market/limit-buy", price="320000") == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_subscription_without_a_websocket_is_refused(trader: Caller, method: str) -> None:
    query = "subscription { tickers { last } }"
    given = {"json": {"query": query}} if method == "POST" else {"params": {"query": query}}
    response = trader.http.request(method, "/graphql", headers=trader.headers, **given)  # type: ignore[arg-type]
    assert refusal(response) == (400, "BAD_USER_INPUT")


def test_introspection_is_answered_within_the_limits(trader: Caller) -> None:
    schema = trader.answer(get_introspection_query())["__schema"]
    assert schema["queryType"]["name"] == "Query"


def test_an_unknown_address_is_404(service: Service) -> None:
    for path in ("/", "/graphiql", "/openapi.yaml", "/../etc/passwd", "/metrics/x"):
        assert service.http.get(path).status_code == 404


def test_a_small_document_that_asks_for_all_candles_of_all_markets_is_refused(
    trader: Caller,
) -> None:
    candles = (
        'candles(interval: M1, from: "2026-01-01T00:00:00Z") { candles { openTime open close } }'
    )
    document = "{" + " ".join(f"a{number}: markets {{ {candles} }}" for number in range(15)) + "}"
    refused = trader.post(document)
    assert refusal(refused) == (200, "TOO_COMPLEX")
    assert "cost is 6003000; at most 25000" in refused.json()["errors"][0]["message"]


def test_headers_over_the_limit_are_refused_before_who_sends_them_is_known(
    service: Service,
) -> None:
    response = service.http.get("/healthz", headers={"x-filling": "a" * 17_000})
    assert refusal(response) == (431, "BAD_USER_INPUT")
    assert response.headers["connection"] == "close"
    assert service.http.get("/healthz").text == "ok\n"
