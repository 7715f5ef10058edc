from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import CandleInterval, MarketKey, MarketKind, MarketRules, Version
from gateway.store.market_codec import CorruptEntry, decode, encode, key_name
from tests.unit.store.examples import ticker, values_by_kind

versions = st.builds(Version, st.integers(0, 2**53), st.integers(0, 2**53))


@pytest.mark.parametrize("kind", MarketKind)
@given(data=st.data(), as_of=st.integers(0, 2**53), version=versions)
def test_every_kind_comes_back_digit_for_digit(
    kind: MarketKind, data: st.DataObject, as_of: int, version: Version
) -> None:
    value = data.draw(values_by_kind[kind])
    back = decode(kind, encode(value, as_of, version))
    assert back == (value, as_of, version)
    # Equal decimals may differ in their digits: 1.50 and 1.5.
    assert repr(back[0]) == repr(value)


def test_decimals_are_written_as_strings() -> None:
    assert b'"last":"53963.130"' in encode(ticker("53963.130"), 7, Version(1, 2))


def test_rules_of_a_gateway_that_kept_less_of_them_are_read() -> None:
    raw = (
        b'1 2 3\n{"symbol":"BTCUSDT","price_precision":2,"quantity_precision":6,'
        b'"total_precision":2,"min_total":"10","min_quantity":"0.000001",'
        b'"maker_fee_percent":"0.2","taker_fee_percent":"0.2","enabled":true,'
        b'"order_enabled":true,"cancel_enabled":true}'
    )
    value = decode(MarketKind.RULES, raw)[0]
    assert isinstance(value, MarketRules)
    assert (value.base_precision, value.fee_percent, value.fees_by_tier) == (None, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"1 2 3",
        b"1 2 3\n",
        b"1 2 3\n{",
        b"1 2 3\nnull",
        b'1 2 3\n{"symbol": "BTCUSDT"}',
        b'1 2 3\n{"symbol": "BTCUSDT", "last": "soon"}',
        b'1 2 3\n{"symbol": "\xff", "last": "1"}',
        b'1 2 x\n{"symbol": "BTCUSDT", "last": "1"}',
        b'-1 2 3\n{"symbol": "BTCUSDT", "last": "1"}',
        b"9" * 5000 + b' 2 3\n{"symbol": "BTCUSDT", "last": "1"}',
        b'{"symbol": "BTCUSDT", "last": "1"}',
    ],
    ids=range(13),
)
def test_what_was_not_written_here_is_corrupt(raw: bytes) -> None:
    with pytest.raises(CorruptEntry):
        decode(MarketKind.TICKER, raw)


@given(raw=st.binary(max_size=200), kind=st.sampled_from(MarketKind))
def test_no_bytes_raise_anything_else(raw: bytes, kind: MarketKind) -> None:
    for candidate in (raw, b"1 2 3\n" + raw):
        with pytest.raises(CorruptEntry):
            decode(kind, candidate)


keys = st.builds(
    MarketKey,
    st.sampled_from(MarketKind),
    st.text(st.characters(codec="utf-8"), max_size=6)
    | st.sampled_from(["A:B", "A::", "%3A", "\ud800"]),
    st.none() | st.sampled_from(CandleInterval),
    st.none() | st.integers(0, 99),
    st.none() | st.integers(0, 99),
)


@given(one=keys, other=keys)
def test_two_keys_share_a_name_only_when_they_are_equal(one: MarketKey, other: MarketKey) -> None:
    assert (key_name(one) == key_name(other)) == (one == other)


def test_names_carry_the_version_of_the_format() -> None:
    key = MarketKey(MarketKind.CANDLES, "BTCUSDT", CandleInterval.M5, 300_000, None)
    assert key_name(key) == "ngw:1:market:candles:BTCUSDT:M5:300000:"


def test_a_value_of_another_kind_is_corrupt() -> None:
    raw = encode(ticker("1"), 7, Version())
    with pytest.raises(CorruptEntry):
        decode(MarketKind.LISTING, raw)
    assert decode(MarketKind.TICKER, raw)[0] == ticker(str(Decimal(1)))
