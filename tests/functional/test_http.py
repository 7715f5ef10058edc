"""GraphQL over HTTP: methods, media types and status codes."""

import httpx
import pytest

from tests.functional.callers import Caller
from tests.functional.ordering import PLACE, command, open_orders

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
GOOD = '{ market(symbol: "BTCUSDT") { symbol } }'
ANSWER = {"market": {"symbol": "BTCUSDT"}}
INVALID = "{ nothing }"


def post(caller: Caller, query: str, accept: str | None, **headers: str) -> httpx.Response:
    given = {**caller.headers, "Accept": accept or "*/*", **headers}
    return caller.http.post("/graphql", json={"query": query}, headers=given)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        (JSON, JSON),
        ("application/*", JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}; charset=utf-8, {JSON};q=0.9", RESPONSE),
        ("text/html, */*;q=0.1", JSON),
        (f"text/event-stream, {RESPONSE}, {JSON}", RESPONSE),
    ],
    ids=["any", "json", "application", "response", "both", "browser", "urql"],
)
def test_the_answer_is_in_the_best_media_type_that_the_caller_accepts(
    trader: Caller, accept: str | None, answered: str
) -> None:
    response = post(trader, GOOD, accept)
    assert (response.status_code, response.json()["data"]) == (200, ANSWER)
    assert response.headers["content-type"].partition(";")[0] == answered


@pytest.mark.parametrize("query", [INVALID, "{ market", "query { __typename } query B { a }"])
def test_a_document_that_cannot_run_is_400_in_the_new_media_type_and_200_in_json(
    trader: Caller, query: str
) -> None:
    assert post(trader, query, RESPONSE).status_code == 400
    assert post(trader, query, JSON).status_code == 200


def test_a_variable_of_the_wrong_type_is_400_in_the_new_media_type(trader: Caller) -> None:
    response = trader.http.post(
        "/graphql",
        json={
            "query": "query($s: String!) { market(symbol: $s) { symbol } }",
            "variables": {"s": 7},
        },
        headers={**trader.headers, "Accept": RESPONSE},
    )
    assert response.status_code == 400
    assert "data" not in response.json()


def test_an_error_in_one_field_is_200_in_both_media_types(trader: Caller) -> None:
    for media_type in (RESPONSE, JSON):
        response = post(trader, '{ market(symbol: "NOSUCH") { symbol } }', media_type)
        assert response.status_code == 200
        assert response.json()["data"] == {"market": None}


def test_an_unacceptable_media_type_is_406(trader: Caller) -> None:
    response = post(trader, GOOD, "text/html")
    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_a_body_that_is_not_declared_as_json_is_415(trader: Caller, content_type: str) -> None:
    response = post(trader, GOOD, JSON, **{"Content-Type": content_type})
    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_query_can_be_sent_by_get(trader: Caller) -> None:
    response = trader.http.get(
        "/graphql",
        params={
            "query": f"query Q {GOOD} query R {{ __typename }}",
            "variables": "{}",
            "operationName": "Q",
        },
        headers=trader.headers,
    )
    assert (response.status_code, response.json()["data"]) == (200, ANSWER)


@pytest.mark.parametrize(
    "params",
    [{}, {"query": GOOD, "variables": "[1]"}, {"query": GOOD, "variables": "{"}],
    ids=["no query", "a list", "no json"],
)
def test_a_get_that_is_no_request_is_400(trader: Caller, params: dict[str, str]) -> None:
    response = trader.http.get("/graphql", params=params, headers=trader.headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/graphql", "GET, POST"),
        ("DELETE", "/graphql", "GET, POST"),
        ("PATCH", "/graphql", "GET, POST"),
        ("OPTIONS", "/graphql", "GET, POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/readyz", "GET, HEAD"),
        ("POST", "/startupz", "GET, HEAD"),
    ],
)
def test_another_method_is_405_with_the_body_of_every_refusal(
    trader: Caller, method: str, path: str, allowed: str
) -> None:
    response = trader.http.request(method, path, headers=trader.headers)
    assert response.status_code == 405
    assert response.json()["errors"][0]["extensions"]["field"] == "method"
    assert sorted(response.headers["allow"].split(", ")) == allowed.split(", ")


@pytest.mark.parametrize("path", ["/", "/graphq", "/docs/more", "/redoc"])
def test_another_address_is_404_with_the_body_of_every_refusal(trader: Caller, path: str) -> None:
    response = trader.http.get(path, headers=trader.headers)
    assert response.status_code == 404
    assert response.json()["errors"][0]["extensions"]["field"] == "path"
    told = response.json()["errors"][0]["message"]
    for there in ("/graphql", "/v3", "/docs", "/healthz", "/startupz", "/readyz", "/metrics"):
        assert there in told


def test_head_executes_nothing(trader: Caller) -> None:
    before = open_orders(trader)
    content = {"query": PLACE, "variables": command("by-head")}
    response = trader.http.request("HEAD", "/graphql", headers=trader.headers, json=content)
    assert response.status_code == 405
    assert open_orders(trader) == before


def test_no_redirect_is_built_from_the_callers_host_header(trader: Caller) -> None:
    headers = {**trader.headers, "Host": "elsewhere.example"}
    response = trader.http.get("/graphql/", headers=headers)
    assert (response.status_code, "location" in response.headers) == (404, False)


def test_every_answer_has_a_trace_id_and_the_callers_own_is_kept(trader: Caller) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = post(trader, GOOD, JSON, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert response.headers["x-trace-id"] == trace
    first, second = (post(trader, GOOD, JSON).headers["x-trace-id"] for _ in range(2))
    assert first != second


def test_no_answer_may_be_kept_by_a_cache_on_the_way(trader: Caller) -> None:
    assert post(trader, GOOD, JSON).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_page_of_an_allowed_origin_may_call(trader: Caller, method: str) -> None:
    origin = "https://desk.example.com"
    response = trader.http.options(
        "/graphql",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin
    answer = post(trader, GOOD, JSON, Origin=origin)
    assert answer.headers["access-control-allow-origin"] == origin
    assert "x-trace-id" in answer.headers["access-control-expose-headers"].lower()


def test_a_page_of_another_origin_may_not_call(trader: Caller) -> None:
    response = trader.http.options(
        "/graphql",
        headers={"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
