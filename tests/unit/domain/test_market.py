import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import CandleInterval, MarketKey, MarketKind, Version

intervals = st.sampled_from(CandleInterval)


@pytest.mark.parametrize(
    ("interval", "minutes"), [("M1", 1), ("M30", 30), ("H1", 60), ("H4", 240), ("D1", 1440)]
)
def test_an_interval_knows_its_length(interval: str, minutes: int) -> None:
    assert CandleInterval(interval).milliseconds == minutes * 60_000


@given(intervals, st.integers(-(2**53), 2**53))
def test_a_time_falls_into_exactly_one_candle(interval: CandleInterval, time: int) -> None:
    opened = interval.floor(time)
    assert opened <= time < opened + interval.milliseconds
    assert opened % interval.milliseconds == 0
    assert interval.floor(opened) == opened


def test_a_later_connection_outranks_every_frame_of_an_earlier_one() -> None:
    assert Version(1, 999) < Version(2, 0) < Version(2, 1)


def test_keys_are_equal_when_they_name_the_same() -> None:
    assert MarketKey(MarketKind.TICKER, "A") == MarketKey(MarketKind.TICKER, "A")
    assert MarketKey(MarketKind.TICKER, "A") != MarketKey(MarketKind.RULES, "A")
