"""Orders under what watches over them: the audit log, the switch, rates and limits."""

import asyncio

import pytest

from gateway.access.policy import Action
from gateway.domain.account import TradingState
from gateway.domain.errors import (
    AuditUnavailable,
    GatewayError,
    NotRecorded,
    OverLimit,
    RateLimited,
    TradingHalted,
)
from gateway.domain.placements import PlacementState
from gateway.domain.switches import Scope, Switch
from tests.unit.services.desks import CALLER, desk_of
from tests.unit.services.examples import APP, command, policy, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState


async def test_an_order_is_on_record_before_it_leaves_and_when_its_outcome_is_known(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        before, after = desk.watch.audit.events
        assert (before.outcome, after.outcome) == ("SENDING", "ACCEPTED")
        assert before.principal == "app"
        assert before.rule == after.rule == "trade"
        assert before.trace_id == CALLER.trace_id
        assert before.detail["placement"] == after.detail["placement"] == placed.id
        assert (before.detail["price"], before.detail["quantity"]) == ("100", "10")
        assert after.detail["orderId"] == "placed"


async def test_what_cannot_be_put_on_record_is_neither_sent_nor_recorded(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.audit.away = True
        with pytest.raises(AuditUnavailable):
            await desk.orders.place(CALLER, command())
        assert "place" not in desk.exchange.asked
        assert await desk.journal.find(APP.id, "demo", "c-1") is None
        desk.watch.audit.away = False
        assert (await desk.orders.place(CALLER, command())).state is S.ACCEPTED


async def test_a_replayed_order_is_neither_signed_nor_counted_again(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        assert await desk.orders.place(CALLER, command()) == placed
        assert desk.watch.audit.outcomes() == [("ORDER", "SENDING"), ("ORDER", "ACCEPTED")]
        assert len(desk.watch.limiter.asked) == 1


async def test_what_refuses_an_order_that_was_placed_before_shows_it_and_counts_no_refusal(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        desk.watch.limiter.refusal = NotRecorded()
        assert await desk.orders.place(CALLER, command()) == placed
        assert desk.count("orders", NotRecorded.code) == 0


async def test_a_denial_is_on_record_although_the_journal_is_away() -> None:
    only_cancels = policy(Action.ORDERS_CANCEL)
    async with desk_of("redis://127.0.0.1:1", only_cancels, patience_s=0.5) as desk:
        with pytest.raises(NotRecorded):
            await desk.orders.place(CALLER, command())
        assert desk.watch.audit.outcomes() == [("DENIED", "FORBIDDEN")]
        assert desk.count("orders", "FORBIDDEN") == 1


async def test_an_order_given_up_while_it_is_sent_is_on_record_as_unknown(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.hold("place")
        placing = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.waiting)
        await desk.orders.aclose(0)
        await asyncio.gather(placing, return_exceptions=True)
        assert desk.watch.audit.outcomes() == [("ORDER", "SENDING"), ("ORDER", "UNKNOWN")]


async def test_an_order_that_the_account_s_rate_refuses_is_not_recorded(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.rates.refusals["call demo"] = RateLimited("calls demo", 1)
        with pytest.raises(RateLimited):
            await desk.orders.place(CALLER, command())
        assert await desk.journal.find(APP.id, "demo", "c-1") is None


async def test_an_order_beyond_a_limit_takes_nothing_of_the_account_s_calls(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.limiter.refusal = OverLimit("trade", "open_orders", "3 are the most")
        with pytest.raises(OverLimit):
            await desk.orders.place(CALLER, command())
        assert desk.watch.rates.taken == ["order app trade"]


@pytest.mark.parametrize(
    ("part", "refusal", "outcomes"),
    [
        (
            "limiter",
            OverLimit("trade", "open_orders", "3 are the most"),
            [("DENIED", "OVER_LIMIT")],
        ),
        ("rates", RateLimited("orders trade", 2.5), [("DENIED", "RATE_LIMITED")]),
    ],
)
async def test_an_order_beyond_a_limit_is_not_signed_and_its_denial_is_on_record(
    valkey: ValkeyServer, part: str, refusal: GatewayError, outcomes: list[tuple[str, str]]
) -> None:
    async with desk_of(valkey.url) as desk:
        getattr(desk.watch, part).refusal = refusal
        with pytest.raises(type(refusal)):
            await desk.orders.place(CALLER, command())
        assert desk.watch.audit.outcomes() == outcomes
        assert desk.watch.audit.events[0].detail["clientOrderId"] == "c-1"
        assert "place" not in desk.exchange.asked


async def test_a_switch_stops_an_order_before_it_takes_of_a_limit(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.switch.holding = Switch(Scope(), TradingState.CANCEL_ONLY, "a drill", "ops", 1)
        with pytest.raises(TradingHalted, match="a drill"):
            await desk.orders.place(CALLER, command())
        assert desk.watch.rates.taken == desk.watch.limiter.asked == []
        assert desk.watch.audit.outcomes() == [("DENIED", "TRADING_HALTED")]


async def test_a_switch_that_is_set_while_an_order_is_made_ready_stops_it(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.hold("markets")
        placing = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.waiting)
        desk.watch.switch.holding = Switch(Scope(), TradingState.HALTED, "a drill", "ops", 1)
        desk.exchange.release()
        with pytest.raises(TradingHalted, match="a drill"):
            await placing
        assert "place" not in desk.exchange.asked
        assert desk.watch.audit.outcomes() == [("DENIED", "TRADING_HALTED")]
