"""Values that no argument and no input member should be given, by the type that they stand for."""

from collections.abc import Iterator
from pathlib import Path

import httpx
from graphql import GraphQLArgument, GraphQLInputField, build_schema, get_named_type, is_list_type

from tests.functional.callers import Caller, Json

ROOT = Path(__file__).parents[2]
SCHEMA = build_schema((ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8"))
BAD_USER_INPUT = "BAD_USER_INPUT"

_NEVER: dict[str, Json] = {"an object": {"a": 1}, "a list of lists": [[1]], "a boolean": True}
_TEXTS: dict[str, Json] = {
    "empty": "",
    "blank": " ",
    "long": "x" * 10_000,
    "of other scripts": "\u202e\U0001f4a3\u0661",
    "a zero byte": "BTC\x00USDT",
    "a line break": "BTCUSDT\r\nX-Evil: 1",
    "a query": "BTCUSDT&signature=0",
    "a path": "../../etc/passwd",
}

MISTYPED: dict[str, dict[str, Json]] = {
    "Boolean": {"text": "true", "a number": 1, "a list": [True]},
    "ID": _NEVER | {"a fraction": 1.5},
    "String": _NEVER | {"a number": 7},
    "Int": _NEVER | {"text": "7", "a fraction": 1.5, "too large": 2**31},
    "Decimal": _NEVER
    | {
        "a number": 1,
        "a fraction": 0.5,
        "not a number": "NaN",
        "infinite": "Infinity",
        "an exponent": "1E5",
        "37 digits": "1" * 37,
        "other digits": "\u0661\u0662",
        "empty": "",
        "a huge exponent": "1E+999999",
        "40 places": "0." + "0" * 39 + "1",
        "60,000 digits": "1" * 60_000,
        "blanks around": " 1 ",
        "a plus": "+1",
        "an underscore": "1_000",
        "a comma": "1,5",
    },
    "Timestamp": _NEVER
    | {"a number": 1_700_000_000, "words": "yesterday", "a 13th month": "2026-13-01T00:00:00Z"},
    "OrderSide": _NEVER | {"another word": "HOLD", "a number": 0, "lower case": "buy", "empty": ""},
    "CandleInterval": _NEVER | {"another word": "W1", "a number": 1, "lower case": "m1"},
    "PlacementDecision": _NEVER | {"another word": "UNKNOWN", "a number": 1},
    "PlacementState": _NEVER | {"another word": "LOST", "a number": 1},
    "TradingState": _NEVER | {"another word": "PAUSED", "a number": 0},
}
"""By type: what is no value of it."""

STRANGE: dict[str, dict[str, Json]] = {
    "ID": _TEXTS,
    "String": _TEXTS,
    "Int": {"below zero": -1, "zero": 0, "beyond": 1_000_000},
    "Decimal": {"below zero": "-1", "zero": "0", "minus zero": "-0.00"},
    "Timestamp": {"long ago": "0001-01-01T00:00:00Z", "far ahead": "9999-12-31T23:59:59.999Z"},
}
"""By type: what is a value of it, and yet nothing that there is."""


def values(
    kinds: dict[str, dict[str, Json]], definition: GraphQLArgument | GraphQLInputField
) -> Iterator[tuple[str, Json]]:
    """The values by their names; for a list, one of them in it."""
    listed = is_list_type(getattr(definition.type, "of_type", definition.type))
    for name, value in kinds.get(get_named_type(definition.type).name, {}).items():
        yield name, [value] if listed or is_list_type(definition.type) else value


def post(caller: Caller, document: str, **variables: Json) -> Json:
    """The response to a document, which was executed or refused with status 200."""
    response = caller.post(document, **variables)
    assert response.status_code == httpx.codes.OK, response.text
    return response.json()


def refusal(response: Json, **expected: Json) -> None:
    """See that a response is one error with these extensions."""
    (error,) = response["errors"]
    assert expected.items() <= error["extensions"].items(), error
    assert error["message"]
