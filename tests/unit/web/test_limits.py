import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import LimitState
from gateway.schema.documents import Documents
from gateway.web.limits import limit_headers, only_cancels, with_limits
from tests.unit.schema.examples import LIMITS, SCHEMA

CANCEL = 'cancelOrder(input: {account: "demo", orderId: "1"}) { __typename }'
PLACE = """placeOrder(input: {
  account: "demo", clientOrderId: "c", symbol: "BTCTRY", side: BUY,
  order: {limit: {price: "1", quantity: "1"}}
}) { __typename }"""
WHOLE = LimitState("calls demo", Decimal(80), Decimal(80), None, 1)
USED = LimitState("requests", Decimal(800), Decimal(799), 1_000, 60)


def is_a_cancel(document: str, operation: str | None = None) -> bool:
    return only_cancels(Documents(SCHEMA, LIMITS, 10), document, operation)


@pytest.mark.parametrize(
    "document",
    [
        f"mutation {{ {CANCEL} }}",
        f"mutation {{ a: {CANCEL} b: {CANCEL} }}",
        f"mutation {{ __typename {CANCEL} }}",
    ],
    ids=["one", "aliased", "typename"],
)
def test_what_does_nothing_but_cancel_is_a_cancel(document: str) -> None:
    assert is_a_cancel(document)


@pytest.mark.parametrize(
    "document",
    [
        "{ __typename }",
        "query cancelOrder { __typename }",
        "{ cancelOrder: __typename }",
        f"mutation {{ {CANCEL} {PLACE} }}",
        f"mutation {{ cancelOrder: {PLACE} }}",
        f"mutation {{ ...f }} fragment f on Mutation {{ {CANCEL} {PLACE} }}",
        f"mutation {{ {CANCEL}",
        f"mutation a {{ {CANCEL} }} mutation b {{ {CANCEL} }}",
    ],
    ids=["none", "name", "alias", "both", "disguised", "fragment", "unparsable", "which"],
)
def test_what_does_anything_else_is_none(document: str) -> None:
    assert not is_a_cancel(document)


def test_the_operation_that_is_asked_for_decides() -> None:
    document = f"mutation a {{ {CANCEL} }} mutation b {{ {PLACE} }}"
    assert is_a_cancel(document, "a")
    assert not is_a_cancel(document, "b")


def test_headers_give_quota_span_and_what_remains() -> None:
    assert limit_headers(USED) == {
        "ratelimit-policy": '"requests";q=800;w=60',
        "ratelimit": '"requests";r=799',
    }


def test_what_is_no_rate_has_no_span() -> None:
    assert limit_headers(LimitState("orders", Decimal(3), Decimal(2))) == {
        "ratelimit-policy": '"orders";q=3',
        "ratelimit": '"orders";r=2',
    }


def test_a_response_gets_the_limits_as_its_last_member() -> None:
    assert json.loads(with_limits(b'{"data":{"a":1}}', [USED, WHOLE])) == {
        "data": {"a": 1},
        "extensions": {
            "limits": [
                {
                    "name": "requests",
                    "limit": "800",
                    "remaining": "799",
                    "resetsAt": "1970-01-01T00:00:01.000Z",
                },
                {"name": "calls demo", "limit": "80", "remaining": "80", "resetsAt": None},
            ]
        },
    }


@given(st.dictionaries(st.sampled_from(["data", "errors"]), st.text(), min_size=1))
def test_all_else_of_a_response_stays(response: dict[str, str]) -> None:
    shown = json.loads(with_limits(json.dumps(response).encode(), [USED]))
    del shown["extensions"]
    assert shown == response
