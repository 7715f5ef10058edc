"""Cancelling, and having it done: what the mutations show, over a real Redis."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.cli.operations import operation
from gateway.domain.account_events import AccountEvent, Origin
from gateway.domain.errors import Refused
from gateway.domain.orders import OrderStatus
from gateway.store.account_events import AccountEventStore
from gateway.store.dead_man import DeadManStore
from tests.unit.schema.examples import Desk, desk_of
from tests.unit.services.examples import order, policy
from tests.unit.store.examples import accepted, placement
from tests.unit.store.journals import begin, journal_on, lead
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOT_OPEN = Refused("cancel", "10075", "ORDER_NOT_OPEN", "it is not open", "look", retry=False)
HALTED = Refused("cancel", "10050", "TRADING_STOPPED", "it is closed", "wait", retry=False)


async def run(desk: Desk, document: str, **variables: object) -> Any:  # noqa: ANN401 - of any shape
    response = await desk.run(operation(document), variables)
    assert "errors" not in response, response
    (value,) = response["data"].values()
    return value


async def test_everybodys_orders_are_cancelled_and_each_is_told(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        sent = await begin(journal_on(desk.redis), placement())
        desk.exchange.answers["open orders"] = ()
        nothing: dict[str, object] = {
            "cancelled": [],
            "failed": [],
            "pending": [],
            "ended": [],
            "unresolved": [],
            "unseen": None,
        }
        done = await run(desk, "cancel-all-orders", account="demo")
        assert done == {"__typename": "OrdersCancelled", **nothing}
        done = await run(desk, "cancel-all-orders", account="demo", everybody=True)
        assert done == {"__typename": "OrdersCancelled", **nothing, "unresolved": [sent.id]}
        desk.exchange.answers["open orders"] = (order("o1"),)
        desk.exchange.answers["cancel"] = HALTED
        done = await run(desk, "cancel-all-orders", account="demo", everybody=True)
        why = {"code": "TRADING_STOPPED", "message": "it is closed: wait"}
        assert done["failed"] == [{"orderId": "o1", "problem": why}]


async def test_one_principal_s_orders_or_everybodys_are_cancelled_not_both(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        both = {"principal": "app", "everybody": True}
        refused = await run(desk, "cancel-all-orders", account="demo", **both)
        assert (refused["__typename"], refused["code"]) == ("CancelRejected", "BAD_USER_INPUT")
        assert "open orders" not in desk.exchange.asked


async def test_a_mistyped_principal_has_no_orders_that_are_called_cancelled(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        refused = await run(desk, "cancel-all-orders", account="demo", principal="apq")
        assert (refused["__typename"], refused["code"]) == ("CancelRejected", "BAD_USER_INPUT")
        assert "no principal 'apq'" in refused["message"]
        assert "open orders" not in desk.exchange.asked


async def test_who_may_not_see_others_orders_finds_out_no_principal(valkey: ValkeyServer) -> None:
    async with desk_of(policy(Action.ACCOUNT_READ, Action.ORDERS_CANCEL), url=valkey.url) as desk:
        refused = await run(desk, "cancel-all-orders", account="demo", principal="apq")
        assert (refused["__typename"], refused["code"]) == ("CancelRejected", "FORBIDDEN")


async def test_a_cancel_of_an_order_that_is_gone_shows_what_is_known_of_it(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        desk.exchange.answers |= {"cancel": NOT_OPEN, "fills": ()}
        journal, store = journal_on(desk.redis), AccountEventStore(desk.redis, 100)
        made = await journal.finish(accepted(await begin(journal, placement()), "o-1"))
        assert made.order is not None
        done = await run(desk, "cancel-order", account="demo", orderId="o-1")
        assert (done["__typename"], done["order"]["status"]) == ("OrderCancelled", "CANCELLED")
        filled = replace(made.order, status=OrderStatus.FILLED)
        event = AccountEvent(sequence=0, time=1, order=filled, origin=Origin.GATEWAY)
        await store.append(await lead(desk.redis), [event])
        done = await run(desk, "cancel-order", account="demo", orderId="o-1")
        assert (done["__typename"], done["code"]) == ("CancelRejected", "ORDER_FILLED")
        assert (done["order"]["orderId"], done["order"]["status"]) == ("o-1", "FILLED")
        done = await run(desk, "cancel-order", account="demo", orderId="o-2")
        assert (done["code"], done["order"]) == ("ORDER_NOT_FOUND", None)


async def test_a_dead_man_switch_is_armed_shown_and_disarmed(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        shown = '{ account(id: "demo") { deadManSwitch { account expiresAt lapsedAt } } }'
        unarmed = {"data": {"account": {"deadManSwitch": None}}}
        assert await desk.run(shown) == unarmed
        armed = await run(desk, "arm-dead-man-switch", account="demo", seconds=60)
        assert armed.pop("__typename") == "DeadManSwitch"
        assert await desk.run(shown) == {"data": {"account": {"deadManSwitch": armed}}}
        done = await run(desk, "disarm-dead-man-switch", account="demo")
        assert done == {"__typename": "DeadManSwitchDisarmed", "account": "demo"}
        assert await desk.run(shown) == unarmed


async def test_a_dead_man_switch_that_fired_is_shown_until_its_orders_are_cancelled(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        store = DeadManStore(desk.redis)
        await store.arm("demo", "app", 0)
        shown = (await run(desk, "account", id="demo"))["deadManSwitch"]
        assert shown["expiresAt"] == shown["lapsedAt"] is not None
        armed = await run(desk, "arm-dead-man-switch", account="demo", seconds=60)
        assert armed["lapsedAt"] == shown["lapsedAt"] < armed["expiresAt"]
        (lapse,) = await store.lapsed("demo")
        assert await store.carried_out("demo", lapse)
        shown = (await run(desk, "account", id="demo"))["deadManSwitch"]
        assert shown == {"expiresAt": armed["expiresAt"], "lapsedAt": None}


@pytest.mark.parametrize("seconds", [0, 3601])
async def test_a_dead_man_switch_is_armed_for_an_hour_at_the_most(
    valkey: ValkeyServer, seconds: int
) -> None:
    async with desk_of(url=valkey.url) as desk:
        refused = await run(desk, "arm-dead-man-switch", account="demo", seconds=seconds)
        assert (refused["__typename"], refused["code"]) == (
            "DeadManSwitchRejected",
            "BAD_USER_INPUT",
        )


async def test_without_redis_no_switch_counts_as_armed_or_disarmed() -> None:
    async with desk_of() as desk:
        for document, variables in (
            ("arm-dead-man-switch", {"seconds": 60}),
            ("disarm-dead-man-switch", {}),
        ):
            refused = await run(desk, document, account="demo", **variables)
            assert (refused["code"], refused["retryable"]) == ("JOURNAL_UNAVAILABLE", True)
