"""What holds of parameters whatever is sent: nothing but Parameters or a Refusal comes of it."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.facade.parameters import Parameters
from gateway.web.facade.refusals import Refusal
from tests.unit.web.facade.carried import (
    CARRIERS,
    FORM,
    JSON,
    Carried,
    Pairs,
    is_proven,
    signature_of,
    signed,
)

UNREADABLE = {"20005", "90001"}

text = st.text(st.characters(codec="utf-8"), max_size=12)
names = text.filter(lambda name: name != "signature")
pairs = st.lists(st.tuples(names, text), max_size=8, unique_by=lambda pair: pair[0])
carriers = st.sampled_from(list(CARRIERS.values()))

encoded = st.lists(
    st.sampled_from([b"a", b"b", b"signature", b"=", b"&", b"+", b"%", b"41", b"%c3%bc", b"\xff"])
    | st.binary(max_size=4),
    max_size=12,
).map(b"".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
documents = values.map(json.dumps).map(str.encode) | st.binary() | encoded
anything = st.builds(
    Carried, encoded, st.sampled_from([FORM, JSON, "", "text/plain"]) | st.text(), documents
)
flat_objects = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.floats() | st.text()
)
objects = flat_objects.map(lambda pairs: Carried(b"", JSON, json.dumps(pairs).encode()))


T = TypeVar("T")


def outcome(ask: Callable[[], T]) -> T | str:
    """What comes of it, or the code with which it is refused."""
    try:
        return ask()
    except Refusal as refusal:
        return refusal.code


def read(carried: Carried) -> Parameters | None:
    """The parameters; None when they are refused as unreadable."""
    found = outcome(carried.read)
    if isinstance(found, Parameters):
        return found
    assert found in UNREADABLE
    return None


@given(anything | objects)
def test_whatever_is_sent_is_read_or_refused(carried: Carried) -> None:
    read(carried)


@given(anything | objects)
def test_values_follow_from_the_signed_text_alone(carried: Carried) -> None:
    found = read(carried)
    if found is not None:
        again = Carried(query=found.signed_text).read()
        assert again == Parameters(found.values, found.signed_text)


@given(anything | objects, st.sampled_from(["a", "symbol", "signature", ""]))
def test_whatever_is_read_can_be_asked_for_anything(carried: Carried, name: str) -> None:
    found = read(carried) or Parameters({})
    asked: list[Callable[[], object]] = [
        found.symbol,
        found.order_id,
        found.interval,
        lambda: found.text(name),
        lambda: found.integer(name),
        lambda: found.money(name, "20009"),
    ]
    for ask in asked:
        outcome(ask)


@given(st.text(max_size=30) | st.from_regex(r"[0-9.eE+-]{1,16}", fullmatch=True))
def test_money_is_above_zero_and_short_enough_to_be_reckoned_with_exactly(written: str) -> None:
    value = outcome(lambda: Parameters({"amount": written}).money("amount", "20009"))
    if isinstance(value, Decimal):
        assert 0 < value < 10**12
        assert len(format(value, "f")) <= 36
    else:
        assert value == ("20009" if written else "20005")


@given(pairs, carriers)
def test_what_a_client_signs_is_what_is_read_and_proven(
    sent: Pairs, carry: Callable[[Pairs], Carried]
) -> None:
    found = carry(signed(sent)).read()
    assert dict(found.values) == dict(sent)
    assert is_proven(found)


@given(pairs, carriers, st.data())
def test_one_changed_byte_proves_no_other_values(
    sent: Pairs, carry: Callable[[Pairs], Carried], data: st.DataObject
) -> None:
    good = carry(signed(sent))
    changed = Carried(
        _one_byte_changed(good.query, data) if good.query else b"",
        good.content_type,
        _one_byte_changed(good.body, data) if good.body else b"",
    )
    found = read(changed)
    # A space between the members of a JSON body may be another white space, and nothing is changed.
    assert found is None or not is_proven(found) or dict(found.values) == dict(sent)
    if found is not None and good.content_type != JSON:
        assert not is_proven(found)


def _one_byte_changed(carried: bytes, data: st.DataObject) -> bytes:
    place = data.draw(st.integers(0, len(carried) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != carried[place]))
    return carried[:place] + bytes([byte]) + carried[place + 1 :]


@given(pairs.filter(bool), carriers, st.text("0123456789abcdef", min_size=64, max_size=64))
def test_no_other_signature_proves_anything(
    sent: Pairs, carry: Callable[[Pairs], Carried], guessed: str
) -> None:
    found = carry([*sent, ("signature", guessed)]).read()
    assert is_proven(found) == (guessed == signature_of(found.signed_text))
