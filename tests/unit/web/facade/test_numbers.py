import json
import re
from decimal import Decimal

import pytest
from hypothesis import given

from gateway.web.facade.numbers import number, number_if_known
from tests.unit.store.examples import decimals


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("54500", b"54500"),
        ("54500.50", b"54500.5"),
        ("9.4E-7", b"0.00000094"),
        ("1E+3", b"1000"),
        ("-0.00", b"0"),
        ("-0.10", b"-0.1"),
        ("0.000000000000000000000000000000000001", b"0.000000000000000000000000000000000001"),
    ],
)
def test_a_number_is_written_plainly_and_without_zeros_at_its_end(value: str, text: bytes) -> None:
    assert bytes(number(Decimal(value))) == text


@given(decimals)
def test_a_number_is_json_in_plain_notation_and_no_digit_of_it_is_lost(value: Decimal) -> None:
    text = bytes(number(value)).decode()
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text)
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == value


def test_what_is_not_known_is_no_number() -> None:
    assert number_if_known(None) is None
    assert number_if_known(Decimal(0)) == number(Decimal("0.0"))
