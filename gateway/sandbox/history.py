"""An invented past, so that charts and 24h statistics have something to show at the start."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from gateway.sandbox.markets import Market
from gateway.sandbox.tape import DAY_MS, HOUR_MS, MINUTE_MS, Candle, Tape

_HOURLY_SPAN = 40 * DAY_MS
_MINUTELY_SPAN = 25 * HOUR_MS
_HOURLY_SPREAD = 0.004
_MINUTELY_SPREAD = 0.0006

# Each interval is folded from the longest one that divides it: far fewer steps than from m1.
# The minutes start on an hour, where the invented hours end, so nothing is counted twice.
_FOLDED_FROM = {
    "m3": "m1",
    "m5": "m1",
    "m15": "m5",
    "m30": "m15",
    "h1": "m30",
    "h2": "h1",
    "h4": "h2",
    "d1": "h4",
}


def invent_history(tape: Tape, market: Market, rng: Random, now: int) -> None:
    """Fill an empty tape with a random walk that ends at the opening price in ``now``'s minute.

    Hours for 40 days, minutes for the last 25 hours; the same ``rng`` and ``now`` give the same.
    """
    minute = now - now % MINUTE_MS
    hour = minute - _MINUTELY_SPAN
    hour -= hour % HOUR_MS
    minutes = list(_walk_back(market, market.opening_price, rng, hour, minute, MINUTE_MS))
    oldest = hour - _HOURLY_SPAN
    oldest -= oldest % DAY_MS
    hours = list(_walk_back(market, minutes[-1].open, rng, oldest, hour, HOUR_MS))
    for candle in reversed(hours):
        tape.series["h1"].absorb(candle)
    for candle in reversed(minutes):
        tape.series["m1"].absorb(candle)
    for name, source in _FOLDED_FROM.items():
        for candle in tape.series[source].candles:
            tape.series[name].absorb(candle)


def _walk_back(
    market: Market, close: Decimal, rng: Random, start: int, end: int, step: int
) -> Iterator[Candle]:
    """Yield candles from ``end`` back to ``start``; the newest one closes at ``close``."""
    spread = _HOURLY_SPREAD if step == HOUR_MS else _MINUTELY_SPREAD
    ticks = int(close / market.tick)
    opening_ticks = int(market.opening_price / market.tick)
    for open_time in range(end - step, start - step, -step):
        pull = (opening_ticks - ticks) * 0.002
        before = max(1, round(ticks + pull + rng.gauss(0, spread) * ticks))
        wick = abs(rng.gauss(0, spread)) * ticks / 2
        yield _candle(market, rng, open_time, step, (before, ticks, round(wick)))
        ticks = before


def _candle(
    market: Market, rng: Random, open_time: int, step: int, walk: tuple[int, int, int]
) -> Candle:
    first, last, wick = walk
    trades = rng.randint(1, 9) * step // MINUTE_MS
    price = last * market.tick
    volume = (trades * rng.randint(200, 4000) / price).quantize(market.quantity_step)
    volume = max(volume, market.min_quantity)
    return Candle(
        open_time=open_time,
        last_time=open_time + step - 1,
        open=first * market.tick,
        high=(max(first, last) + wick) * market.tick,
        low=max(1, min(first, last) - wick) * market.tick,
        close=price,
        volume=volume,
        quote_volume=volume * price,
        trade_count=trades,
    )
