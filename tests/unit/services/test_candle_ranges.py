from dataclasses import dataclass, field
from decimal import Decimal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError, RateLimited, SourceUnavailable
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleSeries,
    DataSource,
    MarketKey,
    Snapshot,
)
from gateway.services.candle_ranges import PAGE, CandleRanges, possible_bounds
from tests.unit.services.examples import BTC, candle

pytestmark = pytest.mark.anyio

MINUTE = 60_000
Opens = list[int]


@dataclass
class Past:
    """An exchange whose candles open at these minutes, and tells at most `most` in one reply.

    Of more it tells the newest, or the oldest if it is asked from some time on and is told to.
    """

    minutes: Opens
    most: int = 10**9
    oldest_first: bool = False
    says_nothing_from: int | None = None
    says_nothing: GatewayError = field(default_factory=lambda: SourceUnavailable("candles"))
    stale: set[int | None] = field(default_factory=set)
    asked: list[tuple[int | None, int | None]] = field(default_factory=list)

    async def read(self, key: MarketKey) -> Snapshot[CandleSeries]:
        self.asked.append((key.start, key.end))
        if key.start is not None and key.start == self.says_nothing_from:
            raise self.says_nothing
        opens = self.told(key.start, key.end)
        as_of = 1_000 + len(self.asked)
        value = CandleSeries(BTC, CandleInterval.M1, tuple(candle(each) for each in opens))
        return Snapshot(value, as_of, DataSource.REST, stale=key.start in self.stale)

    def told(self, start: int | None, end: int | None) -> Opens:
        found = self.within(start, end)
        if self.oldest_first and start is not None:
            return found[: self.most]
        return found[-self.most :]

    def within(self, start: int | None, end: int | None) -> Opens:
        first, last = start or 0, float("inf") if end is None else end
        return [each for each in self.minutes if first <= each * MINUTE <= last]

    async def cut(self, start: int | None, end: int | None) -> Opens:
        found = await CandleRanges(self.read, BTC, CandleInterval.M1).between(start, end)
        return [each.open_time // MINUTE for each in found.value.candles]


bounds = st.none() | st.integers(0, 3_100).map(lambda minute: minute * MINUTE)
gaps = st.sets(st.integers(0, 2_999), max_size=50)


@given(gaps, st.integers(0, 3_000), st.lists(st.tuples(bounds, bounds), max_size=8))
def test_any_range_is_what_the_exchange_tells_and_takes_two_calls_of_all_ranges(
    gaps: set[int], begin: int, ranges: list[tuple[int | None, int | None]]
) -> None:
    past = Past([each for each in range(begin, 3_000) if each not in gaps])

    async def check() -> None:
        for start, end in ranges:
            assert await past.cut(start, end) == past.told(start, end)

    anyio.run(check)
    assert len(set(past.asked)) <= 2


@given(
    gaps,
    st.integers(1, 1_200),
    st.sampled_from(["oldest", "newest"]),
    st.lists(st.tuples(bounds, bounds), min_size=1, max_size=8),
)
def test_whatever_one_reply_holds_nothing_is_left_out_that_the_exchange_would_tell(
    gaps: set[int], most: int, told_first: str, ranges: list[tuple[int | None, int | None]]
) -> None:
    minutes = [each for each in range(3_000) if each not in gaps]
    past = Past(minutes, most, oldest_first=told_first == "oldest")

    async def check() -> None:
        for start, end in ranges:
            found = await past.cut(start, end)
            assert set(past.told(start, end)) <= set(found) <= set(past.within(start, end))
            assert found == sorted(found)

    anyio.run(check)


async def test_ranges_of_a_long_past_share_pages() -> None:
    past = Past(list(range(20 * PAGE)), most=2 * PAGE)
    for start in range(3 * PAGE, 5 * PAGE, 10):
        assert await past.cut(start * MINUTE, (start + 99) * MINUTE) == list(
            range(start, start + 100)
        )
    newest, older, *pages = sorted(set(past.asked), key=lambda each: (each[0] or 0, each[1] or 0))
    assert (newest, older) == ((None, None), (0, (18 * PAGE - 1) * MINUTE))
    assert pages == [(page * PAGE * MINUTE, ((page + 1) * PAGE - 1) * MINUTE) for page in (3, 4, 5)]


async def test_what_one_reply_may_not_hold_is_asked_for_as_the_caller_asks() -> None:
    past = Past(list(range(20 * PAGE)), most=2 * PAGE)
    asked = (MINUTE, 3 * PAGE * MINUTE)
    assert await past.cut(*asked) == past.told(*asked)
    assert past.asked.pop() == asked
    assert await past.cut(MINUTE, None) == past.told(MINUTE, None)
    assert await past.cut(MINUTE, 20 * PAGE * MINUTE) == past.told(MINUTE, None)
    assert past.asked.pop() == (MINUTE, None)


@pytest.mark.parametrize("failure", [SourceUnavailable("candles"), RateLimited("reads", 1)])
async def test_an_exchange_that_does_not_tell_of_a_long_time_is_asked_for_pages(
    failure: GatewayError,
) -> None:
    minutes = list(range(20 * PAGE))
    past = Past(minutes, most=2 * PAGE, says_nothing_from=0, says_nothing=failure)
    assert await past.cut(PAGE * MINUTE, PAGE * MINUTE) == [PAGE]
    assert past.asked[-1] == (PAGE * MINUTE, (2 * PAGE - 1) * MINUTE)


async def test_a_market_without_candles_has_none_at_any_time() -> None:
    past = Past([])
    assert await past.cut(0, 5 * MINUTE) == []
    assert past.asked == [(None, None)]


async def test_a_range_is_as_old_and_as_stale_as_the_oldest_of_what_it_was_cut_from() -> None:
    past = Past([5, 6], stale={0})
    found = await CandleRanges(past.read, BTC, CandleInterval.M1).between(0, None)
    assert (found.as_of, found.stale) == (1_001, True)


async def test_what_a_newer_series_tells_of_a_candle_counts() -> None:
    async def read(key: MarketKey) -> Snapshot[CandleSeries]:
        minutes = range(PAGE, 2 * PAGE) if key.start is None else range(2 * PAGE)
        close = 2 if key.start is None else 1
        rows = tuple(candle(each, close) for each in minutes)
        return Snapshot(CandleSeries(BTC, CandleInterval.M1, rows), 1, DataSource.REST)

    start, end = (PAGE - 1) * MINUTE, PAGE * MINUTE
    found = await CandleRanges(read, BTC, CandleInterval.M1).between(start, end)
    closes: list[tuple[int, Decimal]] = [(_minute(row), row.close) for row in found.value.candles]
    assert closes == [(PAGE - 1, Decimal(1)), (PAGE, Decimal(2))]


def _minute(row: Candle) -> int:
    return row.open_time // MINUTE


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (None, None, (None, None)),
        (1, MINUTE + 1, (MINUTE, MINUTE)),
        (0, 0, (0, 0)),
        (1, MINUTE - 1, None),
        (MINUTE, 0, None),
        (400 * 86_400_000, None, None),
        (400 * 86_400_000, 401 * 86_400_000, None),
        (None, 400 * 86_400_000, (None, 400 * 86_400_000)),
    ],
)
def test_bounds_are_where_the_first_and_the_last_candle_within_them_open(
    start: int | None, end: int | None, found: tuple[int | None, int | None] | None
) -> None:
    assert possible_bounds(CandleInterval.M1, start, end, now=0) == found
