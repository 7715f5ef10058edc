"""Candles of some time, cut from a few series that all who ask share.

A caller may choose any bounds. Asked for as they are, each choice would be a call to the exchange
and one more value to keep. So the series without bounds is cut where it reaches back far enough,
and joined with all that is older where one reply holds that. Of a longer past there are pages.

How many candles the exchange gives in one reply its document does not say: at least as many as it
gave without bounds. So a reply of fewer is whole, and a range of no more it would answer whole.
A range that it might cut short is asked for as the caller asks, and is what it answers.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, TypeAlias

from gateway.domain.errors import BadUserInput, RateLimited, Refused, SourceUnavailable
from gateway.domain.market import CandleInterval, CandleSeries, MarketKey, MarketKind, Snapshot

MAX_CANDLES = 1000
PAGE = 500
"""Candles that can open in a page; the first opens at a multiple of so many intervals."""

Read: TypeAlias = Callable[[MarketKey], Awaitable[Snapshot[Any]]]
Series: TypeAlias = Snapshot[CandleSeries]
Bounds: TypeAlias = tuple[int | None, int | None]
"""Where the first and the last candle open, in ms on the interval; None: wherever they do."""

_A_YEAR_MS = 366 * 86_400_000

_opening = attrgetter("open_time")


def checked_bounds(
    interval: CandleInterval, start: int | None, end: int | None, now: int
) -> Bounds:
    """Snap bounds (ms) to the interval that they lie in; `now` in ms.

    Raises `BadUserInput` when they are reversed, hold more than `MAX_CANDLES`, or lie where no
    candle can be.
    """
    for name, time in (("from", start), ("to", end)):
        if time is not None and not 0 <= time <= now + _A_YEAR_MS:
            raise BadUserInput(name, "must lie between 1970 and a year from now")
    start, end = (None if time is None else interval.floor(time) for time in (start, end))
    if start is not None:
        count = _count(interval, start, interval.floor(now) if end is None else end)
        if count < 1:
            raise BadUserInput("from", "must lie before 'to' and not in the future")
        if count > MAX_CANDLES:
            problem = f"spans {count} candles; ask for at most {MAX_CANDLES} at once"
            raise BadUserInput("from", problem)
    return start, end


def possible_bounds(
    interval: CandleInterval, start: int | None, end: int | None, now: int
) -> Bounds | None:
    """Where the first and the last candle within bounds (ms) open; None if none can open there."""
    first = None if start is None else interval.floor(start + interval.milliseconds - 1)
    last = None if end is None else interval.floor(end)
    latest = now + _A_YEAR_MS
    if first is not None and first > (latest if last is None else min(last, latest)):
        return None
    return first, last


class CandleRanges:
    """The candles of one market and interval, read by `read`, whose errors it raises."""

    def __init__(self, read: Read, symbol: str, interval: CandleInterval) -> None:
        self._read = read
        self._symbol = symbol
        self._interval = interval

    async def between(self, start: int | None, end: int | None) -> Series:
        """Those that open from `start` to `end` (ms, both on the interval); None: all there are.

        The snapshot is as old as the oldest of what it was cut from, and stale if any of that is.
        """
        newest = await self._series(None, None)
        rows = newest.value.candles
        if not rows or (start is None and end is None):
            return newest
        first = rows[0].open_time
        if start is not None and first <= start:
            return _cut([newest], start, end)
        older = await self._older_than(first)
        if older is not None and len(older.value.candles) < len(rows):
            return _cut([older, newest], start, end)
        now_open = rows[-1].open_time
        last = now_open if end is None else end
        if start is not None and _count(self._interval, start, last) <= len(rows) >= PAGE:
            return _cut([*await self._pages(start, min(last, first - 1)), newest], start, end)
        # What ends now or later is the same for all.
        return _cut([await self._series(start, None if last >= now_open else last)], start, end)

    async def _older_than(self, first: int) -> Series | None:
        """All before the candle that opens at `first`, or what of it one reply holds."""
        try:
            return await self._series(0, first - self._interval.milliseconds)
        except (RateLimited, Refused, SourceUnavailable):
            return None  # so long a time may be more than the exchange can tell of at once

    async def _pages(self, start: int, end: int) -> list[Series]:
        span = PAGE * self._interval.milliseconds
        begins = range(start - start % span, end + 1, span)
        length = span - self._interval.milliseconds
        return await asyncio.gather(*(self._series(begin, begin + length) for begin in begins))

    async def _series(self, start: int | None, end: int | None) -> Series:
        key = MarketKey(MarketKind.CANDLES, self._symbol, self._interval, start, end)
        return await self._read(key)


def _count(interval: CandleInterval, start: int, end: int) -> int:
    return (end - start) // interval.milliseconds + 1


def _cut(series: Sequence[Series], start: int | None, end: int | None) -> Series:
    """What opens within the bounds, of series in their order; where two overlap the later tells."""
    told = {row.open_time: row for each in series for row in each.value.candles}
    rows = list(told.values())
    begin = 0 if start is None else bisect_left(rows, start, key=_opening)
    stop = len(rows) if end is None else bisect_right(rows, end, key=_opening)
    value = replace(series[-1].value, candles=tuple(rows[begin:stop]))
    stale = any(each.stale for each in series)
    oldest = min(series, key=attrgetter("as_of"))
    return replace(oldest, value=value, stale=stale)
