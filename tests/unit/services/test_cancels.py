import asyncio
from dataclasses import replace

import pytest

from gateway.access.policy import Action
from gateway.domain.account import TradingState
from gateway.domain.errors import (
    GatewayError,
    NotLookedUp,
    NotSent,
    NotYours,
    Refused,
    TradingHalted,
    Unclear,
)
from gateway.domain.order_errors import OrderClosedUnknown, OrderNotFound
from gateway.domain.switches import Scope, Switch
from gateway.services.cancels import Cancelled, CancelUnknown
from tests.unit.services.desks import CALLER, OTHER_CALLER, desk_of
from tests.unit.services.examples import command, fill, order, policy, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

REFUSED = Refused("cancel-order", "10038", "MARKET_DISABLED", "disabled", "wait", retry=True)
NOT_OPEN = Refused("cancel-order", "10075", "ORDER_NOT_FOUND", "not open", "look", retry=False)
NOT_SENT = NotSent("cancel-order", "connect")
UNCLEAR = Unclear("cancel-order", "timeout")
OWN_ONLY = policy(Action.ORDERS_PLACE, Action.ORDERS_CANCEL)


async def test_cancels_of_one_order_at_once_are_sent_once(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        outcomes = await asyncio.gather(
            *(desk.cancels.cancel(CALLER, "demo", "placed") for _ in range(10))
        )
        assert outcomes == [Cancelled("placed", order("placed"))] * 10
        assert desk.exchange.asked == ["cancel"]
        assert desk.count("cancels", "Cancelled") == 1


async def test_an_unclear_cancel_says_until_when_it_may_still_be_carried_out(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers |= {"cancel": UNCLEAR, "open orders": (order("placed"),)}
        outcome = await desk.cancels.cancel(CALLER, "demo", "placed")
        # Its window, and how long after that the exchange may still carry it out.
        assert outcome == CancelUnknown("placed", 1_000_000 + 5_000 + 5_000)


async def test_an_unclear_cancel_stays_so_while_the_open_orders_cannot_be_read(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers |= {"cancel": UNCLEAR, "open orders": NOT_SENT}
        assert isinstance(await desk.cancels.cancel(CALLER, "demo", "placed"), CancelUnknown)


@pytest.mark.parametrize("answer", [UNCLEAR, NOT_OPEN])
async def test_a_cancel_is_as_good_once_the_order_is_known_to_be_cancelled(
    valkey: ValkeyServer, answer: GatewayError
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command())
        desk.exchange.answers["cancel"] = answer
        outcome = await desk.cancels.cancel(CALLER, "demo", "placed")
        assert isinstance(outcome, Cancelled)
        assert outcome.before is (answer is NOT_OPEN)
        assert desk.watch.audit.outcomes()[-1] == ("CANCEL", "CANCELLED")


@pytest.mark.parametrize("answer", [UNCLEAR, NOT_OPEN])
async def test_a_cancel_of_what_may_have_been_filled_says_so(
    valkey: ValkeyServer, answer: GatewayError
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command())
        desk.exchange.answers |= {"cancel": answer, "fills": (fill(10),)}
        with pytest.raises(OrderClosedUnknown):
            await desk.cancels.cancel(CALLER, "demo", "placed")
        assert desk.watch.audit.outcomes()[-1] == ("CANCEL", "ORDER_CLOSED_UNKNOWN")
        assert desk.count("cancels", "OrderClosedUnknown") == 1


async def test_an_order_that_nobody_knows_is_not_found(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["cancel"] = NOT_OPEN
        with pytest.raises(OrderNotFound):
            await desk.cancels.cancel(CALLER, "demo", "never-was")


@pytest.mark.parametrize("failure", [REFUSED, NOT_SENT])
async def test_a_cancel_that_did_nothing_raises_what_kept_it(
    valkey: ValkeyServer, failure: GatewayError
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["cancel"] = failure
        with pytest.raises(type(failure)):
            await desk.cancels.cancel(CALLER, "demo", "placed")
        assert desk.count("cancels", type(failure).__name__) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(order("placed"), "CANCELLED"), (UNCLEAR, "UNKNOWN"), (REFUSED, "MARKET_DISABLED")],
)
async def test_a_cancel_is_on_record_before_it_leaves_and_when_its_outcome_is_known(
    valkey: ValkeyServer, answer: object, outcome: str
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers |= {"cancel": answer, "open orders": (order("placed"),)}
        await asyncio.gather(desk.cancels.cancel(CALLER, "demo", "placed"), return_exceptions=True)
        assert desk.watch.audit.outcomes() == [("CANCEL", "SENDING"), ("CANCEL", outcome)]


async def test_who_joins_a_cancel_under_way_is_on_record_too(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.hold("cancel")
        first = asyncio.create_task(desk.cancels.cancel(CALLER, "demo", "placed"))
        await until(lambda: desk.exchange.waiting)
        again = replace(CALLER, trace_id="c" * 32)
        second = asyncio.create_task(desk.cancels.cancel(again, "demo", "placed"))
        await until(lambda: len(desk.watch.audit.events) > 1)
        desk.exchange.release()
        await asyncio.gather(first, second)
        told = [(each.outcome, each.trace_id) for each in desk.watch.audit.events]
    assert told == [
        ("SENDING", CALLER.trace_id),
        ("JOINED", again.trace_id),
        ("CANCELLED", CALLER.trace_id),
    ]


async def test_a_cancel_goes_out_though_nothing_can_be_put_on_record(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.audit.away = True
        assert isinstance(await desk.cancels.cancel(CALLER, "demo", "placed"), Cancelled)


async def test_an_app_cancels_its_own_orders_and_no_others(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, OWN_ONLY) as desk:
        await desk.orders.place(CALLER, command())
        with pytest.raises(NotYours):
            await desk.cancels.cancel(CALLER, "demo", "somebody-else-s")
        assert desk.watch.audit.outcomes()[-1] == ("DENIED", "ORDER_NOT_FOUND")
        assert "cancel" not in desk.exchange.asked
        assert isinstance(await desk.cancels.cancel(CALLER, "demo", "placed"), Cancelled)


async def test_with_the_journal_away_an_own_order_that_is_remembered_is_cancelled(
    own_valkey: ValkeyServer,
) -> None:
    async with desk_of(own_valkey.url, OWN_ONLY, patience_s=0.5) as desk:
        await desk.orders.place(CALLER, command())
        await asyncio.to_thread(own_valkey.stop)
        assert isinstance(await desk.cancels.cancel(CALLER, "demo", "placed"), Cancelled)
        with pytest.raises(NotLookedUp):
            await desk.cancels.cancel(CALLER, "demo", "not-remembered")


@pytest.mark.parametrize("state", [TradingState.CANCEL_ONLY, TradingState.HALTED])
async def test_only_what_is_halted_takes_no_cancels(
    valkey: ValkeyServer, state: TradingState
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.switch.holding = Switch(Scope(), state, "a drill", "ops", 1)
        if state is TradingState.CANCEL_ONLY:
            assert isinstance(await desk.cancels.cancel(CALLER, "demo", "placed"), Cancelled)
        else:
            with pytest.raises(TradingHalted):
                await desk.cancels.cancel(CALLER, "demo", "placed")


async def test_a_cancel_given_up_at_the_stop_is_on_record_as_unknown(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.hold("cancel")
        cancelling = asyncio.create_task(desk.cancels.cancel(CALLER, "demo", "placed"))
        await until(lambda: desk.exchange.waiting)
        await desk.cancels.aclose(0)
        await asyncio.gather(cancelling, return_exceptions=True)
        assert desk.watch.audit.outcomes()[-1] == ("CANCEL", "UNKNOWN")


async def test_a_stranger_s_cancel_is_refused_without_a_hint(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(GatewayError, match="no account is called"):
            await desk.cancels.cancel(OTHER_CALLER, "demo", "placed")


async def test_the_gateway_cancels_for_a_principal_and_that_is_on_record_as_its_own_doing(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        outcome = await desk.cancels.cancel_for(
            "app", "demo", "placed", rule="dead-man-switch of app", trace_id="d" * 32
        )
        assert isinstance(outcome, Cancelled)
        told = {(each.principal, each.rule, each.trace_id) for each in desk.watch.audit.events}
        assert told == {("gateway", "dead-man-switch of app", "d" * 32)}
        assert desk.watch.rates.taken == ["cancel call demo"]


async def test_the_gateway_cancels_nothing_while_all_is_halted(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.watch.switch.holding = Switch(Scope(), TradingState.HALTED, "a drill", "ops", 1)
        with pytest.raises(TradingHalted):
            await desk.cancels.cancel_for("app", "demo", "placed", rule="r", trace_id="d" * 32)
        assert "cancel" not in desk.exchange.asked
