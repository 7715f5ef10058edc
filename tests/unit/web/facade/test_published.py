import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange import ERROR_CODES
from gateway.web.facade.members import MAY_BE_MISSING, MAY_BE_NULL, MEANINGS, WHOLE
from gateway.web.facade.published import PUBLISHED
from gateway.web.facade.requests import Route

REPLIES = Path(__file__).parents[3] / "payloads" / "rest"
ORDER = {
    **json.loads((REPLIES / "limit-buy.json").read_text(), parse_float=Decimal)["order"],
    "status": "CANCELLED",
}
MENDED: dict[tuple[str, str], dict[str, Any]] = {
    # The live exchange has `volumeQty` in both lists of statistics, as the document has it in one.
    ("GET", "markets"): {"volume": 120004, "volumeQty": 2},
    ("GET", "wallet"): {"maxLength": 2},
    ("POST", "cancel-order"): {"order": ORDER},
    # 3 is no state of the document's table.
    ("GET", "deposit-history"): {"state": 14},
}
"""The members that differ from the document's sample, of the reply or of its one row."""


def sample_of(route: Route) -> dict[str, Any]:
    """The document's own sample of a reply, without its code."""
    method, path = route
    name = path.rpartition("/")[2]
    asked = method, name
    file = "wallet-authentication" if asked == ("POST", "wallet") else name
    text = (REPLIES / f"{file}.json").read_text(encoding="utf-8")
    reply: dict[str, Any] = json.loads(text, parse_float=Decimal)
    del reply["code"]
    [rows] = [value for value in reply.values() if isinstance(value, list)] or [[reply]]
    rows[0] |= MENDED.get(asked, {})
    return reply


@pytest.mark.parametrize("route", PUBLISHED, ids=" ".join)
def test_a_reply_is_the_documents_sample_mended(route: Route) -> None:
    assert PUBLISHED[route].sample == sample_of(route)


def members(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            yield from value.items()
            for inner in value.values():
                yield from members(inner)
        case list():
            for inner in value:
                yield from members(inner)


def with_their_objects(value: object, name: str = "reply") -> Iterator[str]:
    """Members as "object.member"; "reply" is the whole reply."""
    match value:
        case dict():
            for member, inner in value.items():
                yield f"{name}.{member}"
                yield from with_their_objects(inner, member)
        case list():
            for inner in value:
                yield from with_their_objects(inner, name)


def test_what_is_said_of_members_is_said_of_members_that_there_are() -> None:
    named = {
        name for endpoint in PUBLISHED.values() for name in with_their_objects(endpoint.sample)
    }
    there = named | {name.rpartition(".")[2] for name in named}
    assert WHOLE | MAY_BE_NULL | MEANINGS.keys() | MAY_BE_MISSING <= there


def test_what_is_no_whole_number_in_a_sample_is_not_called_one() -> None:
    decimals = {
        name
        for endpoint in PUBLISHED.values()
        for name, value in members(endpoint.sample)
        if isinstance(value, Decimal)
    }
    assert decimals & WHOLE == set()


def test_every_published_code_is_one_of_the_exchange() -> None:
    for endpoint in PUBLISHED.values():
        assert set(endpoint.codes) <= ERROR_CODES.keys()
