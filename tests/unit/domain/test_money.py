from decimal import Decimal
from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import (
    MAX_DIGITS,
    NotADecimal,
    bounded,
    exact_product,
    exact_sum,
    parse_plain,
    plain,
    shortest,
)
from tests.unit.store.examples import decimals


@given(decimals)
def test_every_bounded_decimal_survives_its_plain_text(value: Decimal) -> None:
    text = plain(bounded(value))
    assert parse_plain(text) == value
    assert len(text) <= 2 * MAX_DIGITS + 3


@given(st.decimals(allow_nan=True, allow_infinity=True) | st.integers().map(Decimal))
def test_a_decimal_is_refused_or_has_a_short_plain_text(value: Decimal) -> None:
    try:
        text = plain(bounded(value))
    except NotADecimal:
        return
    assert len(text) <= 2 * MAX_DIGITS + 3
    assert Decimal(text) == value


@pytest.mark.parametrize(
    "text", ["1E+999999", "1E-999999", "NaN", "-Infinity", "sNaN", f"1E+{MAX_DIGITS}"]
)
def test_what_has_no_short_plain_text_is_refused(text: str) -> None:
    with pytest.raises(NotADecimal):
        bounded(Decimal(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("9.4E-7", "0.00000094"),
        ("1E-8", "0.00000001"),
        ("1.50", "1.50"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1E+2", "100"),
    ],
)
def test_the_plain_text_is_the_one_that_people_write(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(decimals, st.integers(0, 5))
def test_equal_decimals_have_the_same_shortest_text(value: Decimal, zeros: int) -> None:
    longer = Decimal(plain(value) + ("" if "." in plain(value) else ".") + "0" * zeros)
    assert shortest(longer) == shortest(value)
    assert Decimal(shortest(value)) == value


@given(st.lists(decimals, min_size=1, max_size=5))
def test_a_sum_is_exact_to_the_last_digit(terms: list[Decimal]) -> None:
    assert Fraction(exact_sum(*terms)) == sum(map(Fraction, terms))


@given(st.lists(decimals, min_size=1, max_size=4))
def test_a_product_is_exact_to_the_last_digit(factors: list[Decimal]) -> None:
    assert Fraction(exact_product(*factors)) == prod(map(Fraction, factors))


@given(st.text(max_size=12).filter(lambda text: not set(text) <= set("-.0123456789")))
def test_what_is_no_plain_text_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(NotADecimal) as refused:
        parse_plain(text)
    assert str(refused.value) == str(NotADecimal())


@given(st.text("-.0123456789", max_size=12))
def test_what_is_read_is_what_stands_there(text: str) -> None:
    try:
        value = parse_plain(text)
    except NotADecimal:
        return
    assert Decimal(text) == value
