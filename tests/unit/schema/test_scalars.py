from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLScalarType, parse_value
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import MAX_DIGITS
from gateway.schema.scalars import timestamp_text
from tests.unit.schema.examples import SCHEMA
from tests.unit.store.examples import decimals

LAST_MS = 253_402_300_799_999


def scalar(name: str) -> GraphQLScalarType:
    found = SCHEMA.type_map[name]
    assert isinstance(found, GraphQLScalarType)
    return found


DECIMAL, TIMESTAMP = scalar("Decimal"), scalar("Timestamp")


@given(decimals)
def test_every_decimal_goes_out_in_plain_notation_and_comes_back_exactly(value: Decimal) -> None:
    text = DECIMAL.serialize(value)
    assert "E" not in text
    assert DECIMAL.parse_value(text) == DECIMAL.parse_literal(parse_value(f'"{text}"')) == value


@pytest.mark.parametrize(
    "given_value",
    [
        0.1, 1, True, None, [], {}, "", " 1", "1 ", "+1", "1e3", "1E-8", "NaN", "Infinity", "-",
        ".5", "5.", "1_000", "1,5", "\u0661", "0x10", "1" * (MAX_DIGITS + 1), "1" * 100_000,
        "0." + "0" * 36 + "1",
    ],
)  # fmt: skip
def test_what_is_no_plain_decimal_in_a_string_is_refused(given_value: object) -> None:
    with pytest.raises(GraphQLError) as refused:
        DECIMAL.parse_value(given_value)
    assert (refused.value.extensions or {})["code"] == "BAD_USER_INPUT"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize("literal", ["0.1", "1", "true", "null", "[]", "{}", "NaN"])
def test_a_literal_that_is_no_string_is_refused(literal: str) -> None:
    for kind in (DECIMAL, TIMESTAMP):
        with pytest.raises(GraphQLError):
            kind.parse_literal(parse_value(literal))


@given(st.integers(-62_135_596_800_000, LAST_MS))
def test_every_time_goes_out_as_rfc_3339_and_comes_back_to_the_millisecond(time: int) -> None:
    text: Any = TIMESTAMP.serialize(time)
    assert TIMESTAMP.parse_value(text) == TIMESTAMP.parse_literal(parse_value(f'"{text}"')) == time


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_in_microseconds_is_read_to_the_nearest_millisecond(moment: datetime) -> None:
    text = moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.%fZ")
    assert abs(TIMESTAMP.parse_value(text) - moment.timestamp() * 1000) <= 0.6


def test_the_epoch_is_written_with_its_milliseconds() -> None:
    assert timestamp_text(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp_text(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "given_value",
    [
        0, 1.5, None, "", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00+00:00",
        "2026-01-31 12:00:00Z", "2026-01-31T12:00Z", "20260131T120000Z", "2026-W05-6T12:00:00Z",
        "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00+05:00Z",
        "2026-01-31T12:00:00z", "\u0662026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_time_in_utc_is_refused(given_value: object) -> None:
    with pytest.raises(GraphQLError) as refused:
        TIMESTAMP.parse_value(given_value)
    assert (refused.value.extensions or {})["code"] == "BAD_USER_INPUT"
