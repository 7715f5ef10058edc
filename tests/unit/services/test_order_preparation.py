"""What keeps an order from being recorded, and what is recorded with it."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from gateway.domain.errors import SourceUnavailable, Unclear
from gateway.domain.order_errors import AgainstRules, DuplicateOrder
from gateway.domain.orders import OrderType
from gateway.domain.placements import PlacementState
from tests.unit.services.desks import CALLER, desk_of
from tests.unit.services.examples import APP, command, command_of, order, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
UNCLEAR = Unclear("limit-buy", "timeout")


async def test_an_identical_order_waits_for_the_one_under_way(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        one.exchange.hold("place")
        first = asyncio.create_task(one.orders.place(CALLER, command()))
        await until(lambda: one.exchange.waiting)
        second = asyncio.create_task(other.orders.place(CALLER, command("c-2")))
        await asyncio.sleep(0.1)
        assert "place" not in other.exchange.asked
        one.exchange.release()
        assert [(await each).state for each in (first, second)] == [S.ACCEPTED] * 2


async def test_an_identical_order_is_refused_while_the_other_s_outcome_is_unknown(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = UNCLEAR
        lost = await desk.orders.place(CALLER, command())
        with pytest.raises(DuplicateOrder) as refused:
            await desk.orders.place(CALLER, command("c-2"))
        assert refused.value.placement_id == lost.id
        assert desk.exchange.asked.count("place") == 1
        assert await desk.journal.find(APP.id, "demo", "c-2") is None


async def test_an_identical_order_whose_time_runs_out_while_it_waits_says_for_which(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk, desk_of(valkey.url, ready_within_s=0.2) as hasty:
        desk.exchange.hold("place")
        placing = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.waiting)
        with pytest.raises(DuplicateOrder):
            await hasty.orders.place(CALLER, command("c-2"))
        desk.exchange.release()
        assert (await placing).state is S.ACCEPTED


async def test_what_stands_on_the_account_is_recorded_with_the_order(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = Unclear("limit-buy", "timeout")
        placed = await desk.orders.place(CALLER, command())
        assert placed.baseline is not None
        assert placed.baseline.taken_at == 1
        assert await desk.journal.get(placed.id) == placed


async def test_an_account_that_cannot_be_read_gets_no_order(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.baselines.failure = SourceUnavailable("account demo")
        with pytest.raises(SourceUnavailable):
            await desk.orders.place(CALLER, command())
        assert "place" not in desk.exchange.asked


async def test_what_the_account_cannot_bear_is_not_sent(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.risk.refusal = AgainstRules("account.balance", "10 needed", "BALANCE")
        with pytest.raises(AgainstRules):
            await desk.orders.place(CALLER, command())
        assert desk.exchange.asked == ["markets"]
        assert desk.count("orders", "BALANCE") == 1


async def test_of_many_orders_at_the_market_one_at_a_time_is_prepared(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = replace(order("at-the-market"), order_id=None)
        orders = [
            replace(
                command_of(OrderType.MARKET, quantity=str(number)), client_order_id=f"m-{number}"
            )
            for number in range(1, 9)
        ]
        placed = await asyncio.gather(*(desk.orders.place(CALLER, each) for each in orders))
        assert [each.state for each in placed] == [S.ACCEPTED] * len(orders)
        outcomes = Counter(event.outcome for event in desk.watch.audit.events)
        assert outcomes["SENDING"] == len(orders)
