"""Where the document is silent, a request means to the facade what it means to the sandbox."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox import codes as sandbox_codes
from gateway.sandbox import parameters as sandbox
from gateway.sandbox.tape import INTERVALS_MS
from gateway.web.facade.parameters import Parameters
from gateway.web.facade.refusals import Refusal
from tests.unit.web.facade.carried import CARRIERS, Carried, Pairs

T = TypeVar("T")

text = st.text(st.characters(codec="utf-8"), max_size=12)
numeric = st.from_regex(r"[0-9]{0,13}(\.[0-9]{0,13})?([eE][+-]?[0-9]{0,2})?", fullmatch=True)
symbolic = st.from_regex(r"[A-Za-z0-9]{0,22}", fullmatch=True)
written = text | numeric | symbolic
pairs = st.lists(
    st.tuples(text | st.just("signature"), text), max_size=8, unique_by=lambda pair: pair[0]
)


def outcome(ask: Callable[[], T]) -> T | tuple[str, str]:
    """What comes of it, or code and message of the refusal."""
    try:
        return ask()
    except Refusal as refusal:
        return refusal.code, refusal.msg
    except sandbox_codes.Refusal as refusal:
        return refusal.code.value, refusal.code.text


def read_by_the_sandbox(carried: Carried) -> sandbox.Parameters:
    return sandbox.read_parameters(
        sandbox.RawRequest(
            method="POST",
            path="",
            api_key=None,
            query=carried.query.decode(),
            content_type=carried.content_type,
            body=carried.body,
            client="",
        )
    )


@given(pairs, st.sampled_from(list(CARRIERS.values())))
def test_pairs_in_one_place_are_read_alike(sent: Pairs, carry: Callable[[Pairs], Carried]) -> None:
    here, there = carry(sent).read(), read_by_the_sandbox(carry(sent))
    assert here.values == there.values
    assert here.signed_text == there.signed_text.encode()
    assert here.signature == there.signature


@given(written)
def test_money_is_taken_alike(amount: str) -> None:
    for code in (sandbox_codes.Code.INVALID_PRICE, sandbox_codes.Code.INVALID_TOTAL):
        here, there = Parameters({"a": amount}), sandbox.Parameters({"a": amount})
        asked = outcome(lambda: here.money("a", code.value))  # noqa: B023  # called at once
        assert asked == outcome(lambda: there.money("a", code))  # noqa: B023  # called at once


@given(written)
def test_symbols_whole_numbers_and_texts_are_taken_alike(value: str) -> None:
    values = {"symbol": value, "startDate": value}
    here, there = Parameters(values), sandbox.Parameters(values)
    assert outcome(here.symbol) == outcome(there.symbol)
    assert outcome(lambda: here.text("symbol")) == outcome(lambda: there.text("symbol"))
    assert outcome(lambda: here.integer("startDate")) == outcome(lambda: there.integer("startDate"))


@pytest.mark.parametrize("name", [*INTERVALS_MS, "", "m2", "M1", "1m", "m1 "])
def test_intervals_are_taken_alike(name: str) -> None:
    refused = ("90001", sandbox_codes.Code.INVALID_REQUEST.text)
    asked = outcome(Parameters({"interval": name}).interval)
    if name in INTERVALS_MS:
        assert not isinstance(asked, tuple)
        assert asked.milliseconds == INTERVALS_MS[name]
    else:
        assert asked == refused
