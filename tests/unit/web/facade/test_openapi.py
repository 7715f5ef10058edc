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
SIGNING = [
    {"$ref": f"#/components/parameters/{name}"} for name in DOCUMENT["components"]["parameters"]
]

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
    signed = "20000" in examples(operation)
    assert operation["security"] == (proofs if signed else [{}, *proofs])
    assert [one for one in operation["parameters"] if "$ref" in one] == SIGNING


@each
def test_a_post_may_carry_its_parameters_in_the_query_a_form_or_json_and_a_get_in_the_query_alone(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    asked = [one for one in operation["parameters"] if "$ref" not in one]
    if method == "GET":
        assert "requestBody" not in operation
        return
    content = operation["requestBody"]["content"]
    assert list(content) == [FORM, "application/json"]
    assert not any(one["required"] for one in asked)
    for carried in content.values():
        assert list(carried["schema"]["properties"]) == [one["name"] for one in asked]


def examples(operation: dict[str, Any]) -> dict[str, Any]:
    replies = operation["responses"]["200"]["content"]["application/json"]
    found: dict[str, Any] = replies["examples"]
    return found


@each
def test_every_code_is_shown_as_the_reply_that_tells_it(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for name, example in examples(operation).items():
        assert example["value"]["code"] == ("90000" if name == "outcome-unknown" else name)
    assert examples(operation)["20001"]["value"] == {
        "code": "20001",
        "msg": "Invalid API key or secret.",
    }


@each
def test_no_caller_is_told_of_the_real_key(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert examples(operation).keys() & {"10010", "20002"} == set()


@each
def test_only_of_what_changes_something_the_outcome_may_be_unknown(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    changes = path.rpartition("/")[2] in {"cancel-order", "create-withdraw"} or path.endswith(
        ("-buy", "-sell")
    )
    assert ("outcome-unknown" in examples(operation)) == changes


def test_a_best_price_may_be_null_and_times_are_whole_numbers() -> None:
    replies = DOCUMENT["paths"]["/v3/api/market/24h"]["get"]["responses"]["200"]
    success, refusal = replies["content"]["application/json"]["schema"]["oneOf"]
    market = success["properties"]["market"]["properties"]
    assert market["firstBid"]["type"] == ["number", "null"]
    assert market["last"]["type"] == "number"
    assert market["openTime"]["type"] == "integer"
    assert success["required"] == ["code", "market"]
    assert refusal["required"] == ["code", "msg"]
