"""Limits that are counted: the notional of a day, and open orders."""

import asyncio
import re
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.durations import DAY_MS
from gateway.domain.errors import NotRecorded, OverLimit
from gateway.domain.orders import OrderStatus
from gateway.domain.placements import Placement
from tests.unit.services.examples import order, turns, until
from tests.unit.services.limiting import (
    AWAY,
    MARKET,
    NOWHERE,
    REJECTION,
    S,
    desk_of,
    grant,
    placed,
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


@pytest.mark.parametrize(
    ("ended", "claims", "spent"),
    [
        (placed("p1", S.ACCEPTED, order=order("o1")), {"p1"}, 200),
        (placed("p1", S.ACCEPTED, order=order("o1", 10, OrderStatus.FILLED)), set(), 200),
        (placed("p1", S.ACCEPTED, order=order(None)), set(), 200),
        (placed("p1", S.REJECTED, rejection=REJECTION), set(), 0),
        (placed("p1", S.REJECTED, rejection=REJECTION, evidence="may have traded"), {"p1"}, 200),
        (placed("p1", S.NOT_SENT, rejection=REJECTION), set(), 0),
        (placed("p1", S.UNKNOWN, evidence="timeout"), {"p1"}, 200),
    ],
    ids=["open", "filled", "no-id", "rejected", "perhaps-traded", "not-sent", "unknown"],
)
async def test_what_became_of_an_order_decides_what_it_keeps(
    valkey: ValkeyServer, ended: Placement, claims: set[str], spent: int
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", grant(day_notional=usdt("500"), open_orders=1))
        desk.limiter.settle(ended)
        assert (await desk.claims(), await desk.spent()) == (claims, Decimal(spent))


async def test_an_order_that_was_never_sent_gives_all_back(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", grant(day_notional=usdt("500"), open_orders=1))
        desk.limiter.release("p1")
        desk.limiter.release("p1")
        assert (await desk.claims(), await desk.spent()) == (set(), Decimal(0))


async def test_an_order_that_was_refused_leaves_nothing_to_give_back(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await refusal(desk, grant(day_notional=usdt("100")))
        desk.limiter.release("refused")
        await desk.budgets.caught_up()


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
        desk.limiter.settle(placed("p1", S.UNKNOWN))
        await refusal(desk, granted)
        assert desk.open_orders.asked == 0
        desk.market.clock.now += 2 * DAY_MS
        await desk.reserve("p2", granted)


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
        one.open_orders.gate.set()
        with pytest.raises(OverLimit):
            await waiting
        assert await one.claims() == {"p2", "p4"}


async def test_orders_that_find_no_place_at_once_share_readings(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        desk.open_orders.listed = ["o1"]
        desk.open_orders.gate.clear()
        before = reads(valkey)
        late = [asyncio.create_task(desk.reserve(f"late{each}", granted)) for each in range(20)]
        await until(lambda: reads(valkey) == before + 2 * len(late))
        await turns()
        desk.open_orders.gate.set()
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(outcome, OverLimit) for outcome in outcomes)
        assert 2 <= desk.open_orders.asked < len(late)


def reads(valkey: ValkeyServer) -> int:
    """How many budgets were read so far."""
    told = re.search(rb"cmdstat_get:calls=([0-9]+)", valkey.command("INFO", "commandstats"))
    return int(told[1]) if told else 0


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


@pytest.mark.parametrize("limits", [{"day_notional": usdt("500")}, {"open_orders": 1}], ids=str)
async def test_with_redis_away_no_order_is_let_through(limits: dict[str, Any]) -> None:
    async with desk_of(NOWHERE, patiently=False) as desk:
        with pytest.raises(NotRecorded):
            await desk.reserve("p1", grant(**limits))


async def test_an_outcome_that_could_not_be_written_counts_with_the_next_order(
    own_valkey: ValkeyServer,
) -> None:
    granted = grant(day_notional=usdt("200"))
    async with desk_of(own_valkey.url, patiently=False) as desk:
        await desk.reserve("p1", granted)
        await asyncio.to_thread(own_valkey.stop)
        desk.limiter.settle(placed("p1", S.REJECTED, rejection=REJECTION))
        await asyncio.to_thread(own_valkey.start)
        await desk.reserve("p2", granted)
        assert await desk.claims() == {"p2"}


async def test_a_claim_whose_answer_was_lost_is_taken_back_with_the_next(
    own_valkey: ValkeyServer,
) -> None:
    granted = grant(day_notional=usdt("400"))
    falls_silent: list[bool] = []

    def now() -> int:
        # The time is asked for between the reading of a budget and its writing.
        if falls_silent:
            own_valkey.pause()
        return 1_000_000

    async with (
        desk_of(own_valkey.url, patiently=False, now=now) as desk,
        desk_of(own_valkey.url) as another,
    ):
        await desk.reserve("p1", granted)
        falls_silent.append(True)
        with pytest.raises(NotRecorded):
            await desk.reserve("p2", granted)
        desk.limiter.release("p2")
        falls_silent.clear()
        own_valkey.resume()
        while await another.claims() != {"p1", "p2"}:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)
        await desk.reserve("p3", granted)
        assert await another.claims() == {"p1", "p3"}
