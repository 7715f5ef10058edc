from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.exchange.values import (
    if_given,
    meaning,
    not_negative,
    positive,
    unless_zero,
)
from gateway.exchange.wire import Unparsable

D = Decimal
SMALLEST = D("1E-36")


@pytest.mark.parametrize("read", [positive, not_negative, unless_zero])
def test_a_value_above_zero_is_read_as_it_is(read: Callable[[Decimal], Decimal]) -> None:
    assert read(SMALLEST) == SMALLEST


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (positive, D(0)),
        (positive, -SMALLEST),
        (not_negative, -SMALLEST),
        (unless_zero, -SMALLEST),
        *(
            (read, D(text))
            for read in (positive, not_negative, unless_zero)
            for text in ("NaN", "sNaN", "-Infinity", "1E+36", "1E-37")
        ),
    ],
    ids=lambda each: getattr(each, "__name__", None) or str(each),
)
def test_a_value_of_no_sense_is_no_value(
    read: Callable[[Decimal], Decimal], value: Decimal
) -> None:
    with pytest.raises(ValueError, match=r"decimal|shape"):
        read(value)


def test_nothing_is_not_below_zero_and_may_stand_for_none() -> None:
    assert not_negative(D("-0")) == 0
    assert unless_zero(D("0.00")) is None


def test_what_is_left_out_is_none() -> None:
    assert unless_zero(None) is None
    assert if_given(positive, None) is None
    assert if_given(positive, D(1)) == 1


def test_a_name_has_its_meaning_as_a_word_or_as_a_number() -> None:
    assert meaning({"0": "zero"}, 0) == meaning({"0": "zero"}, "0") == "zero"
    with pytest.raises(Unparsable):
        meaning({"0": "zero"}, "00")
