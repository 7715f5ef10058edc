"""Limits that are counted: the notional of a day, and open orders."""

import asyncio

import pytest

from gateway.domain.durations import DAY_MS
from gateway.domain.errors import NotRecorded, OverLimit
from tests.unit.services.examples import until
from tests.unit.services.limiting import (
    AWAY,
    KEY,
    MARKET,
    NOWHERE,
    desk_of,
    grant,
    refusal,
    usdt,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_orders_of_a_day_take_of_its_notional_until_it_is_spent(valkey: ValkeyServer) -> None:
    granted = grant(day_notional=usdt("500"))
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await desk.accept("p2", granted, "o2")
        refused = await refusal(desk, granted)
        assert refused.problem == "the order counts 200 USDT; 100 of 500 are left until 00:00 UTC"
        desk.market.clock.now += DAY_MS
        await desk.reserve("p4", granted)


async def test_an_order_that_the_exchange_lists_no_more_gives_its_place_back(
    valkey: ValkeyServer,
) -> None:
    granted = grant(open_orders=2)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        await desk.accept("p2", granted, "o2")
        assert desk.open_orders.asked == 0
        desk.open_orders.listed = ["o1", "o2", "another's"]
        refused = await refusal(desk, granted)
        assert (refused.limit, refused.retry_after) == ("open_orders", None)
        desk.open_orders.listed = ["o2"]
        await desk.reserve("p3", granted)
        assert await desk.claims() == {"p2", "p3"}


async def test_an_order_whose_outcome_nobody_knows_keeps_its_place(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await refusal(desk, granted)
        assert desk.open_orders.asked == 0
        desk.market.clock.now += 2 * DAY_MS
        await refusal(desk, granted)


async def test_a_market_order_needs_no_place(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await desk.reserve("p2", granted, MARKET)
        assert await desk.claims() == {"p1"}


async def test_a_reading_says_nothing_of_orders_accepted_after_it_began(
    valkey: ValkeyServer,
) -> None:
    granted = grant(open_orders=2)
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        await one.accept("p1", granted, "o1")
        await one.accept("p2", granted, "o2")
        one.open_orders.listed = ["o2"]
        one.open_orders.gate.clear()
        waiting = asyncio.create_task(one.reserve("p3", granted))
        await until(lambda: one.open_orders.asked)
        other.open_orders.listed = ["o2"]
        await other.accept("p4", granted, "o4")
        one.open_orders.listed = ["o2", "o4"]
        one.open_orders.gate.set()
        with pytest.raises(OverLimit):
            await waiting
        assert await one.claims() == {"p2", "p4"}


async def test_without_a_reading_the_places_count_as_taken(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        desk.open_orders.failure = AWAY
        refused = await refusal(desk, granted)
        assert (refused.limit, refused.retry_after) == ("open_orders", 1)
        desk.open_orders.failure = None
        await desk.reserve("p2", granted)


async def test_replicas_that_race_keep_the_limit_together(valkey: ValkeyServer) -> None:
    granted = grant(day_notional=usdt("1000"), open_orders=4)
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        outcomes = await asyncio.gather(
            *((one, other)[number % 2].reserve(f"p{number}", granted) for number in range(20)),
            return_exceptions=True,
        )
        assert [outcome for outcome in outcomes if outcome is None] == [None] * 4
        assert {outcome.limit for outcome in outcomes if isinstance(outcome, OverLimit)} == {
            "open_orders"
        }
        assert await one.spent() == 800


async def test_with_redis_away_no_place_is_made(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk, desk_of(NOWHERE, patiently=False) as cut_off:
        await desk.accept("p1", granted, "o1")
        desk.open_orders.listed = ["o1"]
        full = await refusal(desk, granted)
        with pytest.raises(NotRecorded):
            await cut_off.limiter.relieve(KEY, full)
