from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.account_wire import OrderRow
from gateway.exchange.wire import (
    Envelope,
    LevelRow,
    RulesReply,
    TimeReply,
    Unparsable,
    parse,
    require_unique_names,
)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_to_its_last_digit_however_it_is_written(number: Decimal) -> None:
    for text in (str(number), f'"{number}"'):
        read = parse(f'{{"price": {text}, "amount": 9.4e-7}}', LevelRow)
        assert read.price.as_tuple() == number.as_tuple()
        assert read.amount == Decimal("0.00000094")


@pytest.mark.parametrize(
    ("written", "code"),
    [('"00000"', "00000"), ("0", "00000"), ("20001", "20001"), ('"20001"', "20001")],
)
def test_a_code_is_five_digits_whether_written_as_text_or_number(written: str, code: str) -> None:
    assert parse(f'{{"code": {written}, "msg": "any"}}', Envelope).five_digits == code


@pytest.mark.parametrize("written", ['""', '"0"', '"000000"', '" 0000"'])
def test_a_text_that_is_no_code_does_not_become_one(written: str) -> None:
    assert parse(f'{{"code": {written}}}', Envelope).five_digits != "00000"


def test_unknown_fields_are_ignored_and_absent_optional_ones_are_none() -> None:
    row = parse(
        '{"market": "BTCTRY", "orderType": 0, "side": "BUY", "time": "5", "new": [{}]}', OrderRow
    )
    assert (row.order_type, row.side, row.time, row.order_id, row.price) == (
        0,
        "BUY",
        5,
        None,
        None,
    )


@pytest.mark.parametrize("written", ["true", '"true"'])
def test_a_switch_may_be_a_string(written: str) -> None:
    text = """{"info": {"symbol": "BTCTRY", "minTradeTotal": 10, "minAmount": 1, "commission": 0.2,
        "enable": %s, "orderEnable": "false", "cancelEnable": true,
        "precision": {"price": 0, "amount": 6, "total": 0}}}"""
    info = parse(text % written, RulesReply).info
    assert (info.enable, info.order_enable, info.cancel_enable) == (True, False, True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="HTML"),
        pytest.param(b'{"data": 1', id="truncated"),
        pytest.param(b'{"data": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"data": null}', id="null"),
        pytest.param(b'{"data": -1}', id="before the epoch"),
        pytest.param(b'{"data": 253402300800000}', id="after the year 9999"),
        pytest.param(b'{"data": ' + b"9" * 5000 + b"}", id="endless number"),
        pytest.param(b'{"new": ' + b"[" * 100_000 + b"}", id="deeply nested"),
        pytest.param(b'{"new": ' + b'{"a":' * 100_000 + b"}", id="deeply nested objects"),
        pytest.param(b"[]", id="another type"),
    ],
)
def test_anything_else_is_unparsable_and_not_shown(text: bytes) -> None:
    with pytest.raises(Unparsable) as error:
        parse(text, TimeReply)
    assert "<html>" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"b":{"a":1}}', '[{"a":1},{"a":1}]', "1e999999999", '{"a":9.4e-7,"A":NaN}', "5"],
)
def test_names_are_counted_within_their_object_and_nothing_else_is_judged(text: str) -> None:
    require_unique_names(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"new":[{"b":{"c":1,"c":2}}]}',
        b'{"a":1',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"\xff",
    ],
    ids=["twice", "escaped", "within", "truncated", "deep", "deep objects", "endless", "no text"],
)
def test_a_name_twice_in_an_object_is_unparsable_and_so_is_what_is_no_json(text: bytes) -> None:
    with pytest.raises(Unparsable):
        require_unique_names(text)
