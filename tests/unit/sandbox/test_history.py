from random import Random

import pytest

from gateway.sandbox.history import invent_history
from gateway.sandbox.markets import default_markets
from gateway.sandbox.tape import DAY_MS, INTERVALS_MS, MINUTE_MS, Tape
from tests.unit.sandbox.clients import NOW

MARKET = default_markets()["HOTUSDT"]


def invented(seed: int) -> Tape:
    tape = Tape(MARKET.opening_price)
    invent_history(tape, MARKET, Random(seed), NOW)
    return tape


@pytest.fixture(scope="module")
def tape() -> Tape:
    return invented(1)


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_every_interval_has_whole_candles_without_a_gap_until_now(
    tape: Tape, interval: str
) -> None:
    candles = list(tape.series[interval].candles)
    step = INTERVALS_MS[interval]
    opened = [candle.open_time for candle in candles]
    assert opened == list(range(opened[0], NOW - NOW % MINUTE_MS, step))
    assert opened[0] % step == 0
    assert len(opened) >= 25
    for candle in candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert candle.open % MARKET.tick == candle.volume % MARKET.min_quantity == 0


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_each_candle_opens_where_the_one_before_closed(tape: Tape, interval: str) -> None:
    candles = list(tape.series[interval].candles)
    assert [c.open for c in candles[1:]] == [c.close for c in candles[:-1]]


def test_the_past_ends_at_the_opening_price(tape: Tape) -> None:
    assert tape.series["m1"].candles[-1].close == MARKET.opening_price


def test_the_statistics_cover_a_whole_day(tape: Tape) -> None:
    statistics = tape.statistics(NOW)
    assert statistics.open_time <= NOW - DAY_MS + MINUTE_MS
    assert statistics.low < statistics.average < statistics.high


def test_the_same_seed_gives_the_same_past(tape: Tape) -> None:
    assert invented(1).series["m1"].candles == tape.series["m1"].candles
    assert invented(2).series["m1"].candles != tape.series["m1"].candles
