"""The description that is served, as who reads it finds it."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec
import pytest
import schemathesis

from gateway.web.facade.openapi import FORM, document

WRITTEN = msgspec.json.Encoder(decimal_format="number").encode(document())
DOCUMENT: dict[str, Any] = json.loads(WRITTEN, parse_float=Decimal)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
SIGNING = list(DOCUMENT["components"]["parameters"])
INVALID = {"code": "90001", "msg": "Invalid Request"}

each = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{one[0]} {one[1]}" for one in OPERATIONS]
)


def test_it_is_a_valid_document() -> None:
    schemathesis.openapi.from_dict(json.loads(WRITTEN)).validate()


def test_it_says_where_the_endpoints_are() -> None:
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert document("https://gw.example")["servers"] == [{"url": "https://gw.example"}]


def test_every_reference_leads_to_something() -> None:
    def references(value: object) -> Iterator[str]:
        match value:
            case {"$ref": str(reference)}:
                yield reference
            case dict():
                yield from chain.from_iterable(map(references, value.values()))
            case list():
                yield from chain.from_iterable(map(references, value))

    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        there: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            there = there[name]


@each
def test_what_is_signed_can_be_asked_with_a_signature_or_a_token_and_the_rest_with_neither_too(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    proofs: list[dict[str, list[str]]] = [{"apiKey": []}, {"token": [], "account": []}]
    signed = "code-20000" in examples(operation)
    assert operation["security"] == (proofs if signed else [{}, *proofs])


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What stands in the query string, by name."""
    found: dict[str, dict[str, Any]] = {}
    for parameter in operation.get("parameters", []):
        name = parameter.get("$ref", "").rpartition("/")[2]
        described = DOCUMENT["components"]["parameters"][name] if name else parameter
        found[described["name"]] = described
    return found


@each
def test_all_parameters_have_one_place_the_query_of_a_get_and_the_form_of_a_post(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    if method == "GET":
        assert "requestBody" not in operation
        assert list(parameters(operation))[-3:] == SIGNING
        return
    assert parameters(operation) == {}
    (carried,) = operation["requestBody"]["content"].items()
    assert carried[0] == FORM
    assert list(carried[1]["schema"]["properties"])[-3:] == SIGNING


@each
def test_no_signature_is_wanted_of_who_has_a_token(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    required = {name for name, one in parameters(operation).items() if one["required"]}
    if method == "POST":
        body = operation["requestBody"]
        required |= set(body["content"][FORM]["schema"]["required"])
        assert body["required"] == bool(required)
    assert required.isdisjoint(SIGNING)


@each
def test_only_what_a_get_needs_has_an_example_that_a_page_would_send(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    given = {name for name, one in parameters(operation).items() if "example" in one}
    assert given == {name for name, one in parameters(operation).items() if one["required"]}
    if method == "POST":
        for field in operation["requestBody"]["content"][FORM]["schema"]["properties"].values():
            assert field.keys() & {"example", "examples", "default"} == set()


@each
def test_the_first_example_is_success_also_where_names_that_are_numbers_come_first(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    shown = examples(operation)
    assert next(iter(shown)) == "success"
    assert not any(name.isdecimal() for name in shown)


@each
def test_what_is_no_endpoint_and_what_is_too_long_have_a_reply_of_their_own(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    replies = operation["responses"]
    assert list(replies) == ["200", "404", "413"]
    for status in ("404", "413"):
        assert replies[status]["content"]["application/json"]["example"] == INVALID


def examples(operation: dict[str, Any]) -> dict[str, Any]:
    replies = operation["responses"]["200"]["content"]["application/json"]
    found: dict[str, Any] = replies["examples"]
    return found


@each
def test_every_code_is_shown_as_the_reply_that_tells_it(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for name, example in examples(operation).items():
        named = {"success": "00000", "outcome-unknown": "90000"}.get(name, name[-5:])
        assert example["value"]["code"] == named
    assert examples(operation)["code-20001"]["value"] == {
        "code": "20001",
        "msg": "Invalid API key or secret.",
    }


@each
def test_no_caller_is_told_of_the_real_key(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert examples(operation).keys() & {"code-10010", "code-20002"} == set()


@each
def test_only_of_what_changes_something_the_outcome_may_be_unknown(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    changes = path.rpartition("/")[2] in {"cancel-order", "create-withdraw"} or path.endswith(
        ("-buy", "-sell")
    )
    assert ("outcome-unknown" in examples(operation)) == changes


def schemas(route: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an endpoint says in success, and what when it refuses."""
    method, path = route.split()
    replies = DOCUMENT["paths"][f"/v3/api/{path}"][method.lower()]["responses"]["200"]
    success, refusal = replies["content"]["application/json"]["schema"]["oneOf"]
    return success, refusal


def test_a_best_price_may_be_null_and_times_are_whole_numbers() -> None:
    success, refusal = schemas("GET market/24h")
    market = success["properties"]["market"]["properties"]
    assert market["firstBid"]["type"] == ["number", "null"]
    assert market["last"]["type"] == "number"
    assert market["openTime"]["type"] == "integer"
    assert success["required"] == ["code", "market"]
    assert refusal["required"] == ["code", "msg"]


@pytest.mark.parametrize(
    ("route", "names", "meaning"),
    [
        ("GET market/24h", ("market",), "statistics of its last 24 hours"),
        ("POST market/limit-buy", ("order", "market"), "the market"),
        ("POST market/limit-buy", ("order", "price"), "price of one of the first asset"),
        ("GET market/info", ("info", "precision", "price"), "decimals of a price"),
        ("GET market/candles", ("candles", "openTime"), "when it begins, in ms"),
        ("GET market/user-trades", ("trades", "side"), "0 BUY, 1 SELL"),
        ("POST market/fast-buy", ("order", "total"), "what to spend, in the second asset"),
        ("GET balance/wallet", ("wallet", "total"), "available and reserved"),
        ("GET balance/wallet", ("wallet", "symbol"), "the asset"),
        ("GET market/depth", ("book", "asks", "count"), "orders at this price"),
    ],
)
def test_members_of_one_name_mean_what_they_mean_there(
    route: str, names: tuple[str, ...], meaning: str
) -> None:
    schema, _ = schemas(route)
    for name in names:
        schema = schema.get("items", schema)["properties"][name]
    assert schema["description"] == meaning
