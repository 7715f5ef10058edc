import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.errors import (
    BadUserInput,
    Forbidden,
    GatewayError,
    NotInTime,
    NotRecorded,
    NotSent,
    Refused,
    RefusedMeanwhile,
    Unclear,
    UnknownAccount,
    UnknownSymbol,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderStatus, OrderType, PlaceOrder
from gateway.domain.placements import PlacementState
from gateway.services.orders import check_id
from tests.unit.services.desks import CALLER, OTHER, desk_of, journal_on
from tests.unit.services.examples import (
    APP,
    command,
    command_of,
    open_patient,
    order,
    policy,
    turns,
    until,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
T = OrderType
REFUSED = Refused("limit-buy", "10036", "INSUFFICIENT", "not enough", "deposit", retry=False)
WASH_TRADING = Refused("e", "10041", "WASH_TRADING_CANCELLED", "own", "look", retry=False)
NOT_SENT = NotSent("limit-buy", "connect")
UNCLEAR = Unclear("limit-buy", "timeout")


async def test_an_accepted_order_is_sent_once_and_recorded(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        assert (placed.state, placed.order, placed.rule) == (S.ACCEPTED, order("placed"), "trade")
        assert await desk.journal.get(placed.id) == placed
        assert desk.exchange.asked.count("place") == 1
        assert desk.count("orders", "ACCEPTED") == 1


@pytest.mark.parametrize(
    ("failure", "state", "code", "new_id_safe"),
    [
        (REFUSED, S.REJECTED, "INSUFFICIENT", True),
        (NOT_SENT, S.NOT_SENT, "EXCHANGE_UNAVAILABLE", True),
        (UNCLEAR, S.UNKNOWN, None, False),
        (WASH_TRADING, S.UNKNOWN, None, False),
        (Unclear("limit-buy", "unlisted", "12345"), S.UNKNOWN, None, False),
    ],
)
async def test_each_failure_has_its_state_and_is_recorded(
    valkey: ValkeyServer,
    failure: GatewayError,
    state: PlacementState,
    code: str | None,
    *,
    new_id_safe: bool,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = failure
        placed = await desk.orders.place(CALLER, command())
        assert (placed.state, placed.new_id_safe, placed.order) == (state, new_id_safe, None)
        assert (placed.rejection and placed.rejection.code) == code
        assert (placed.evidence is None) == new_id_safe
        assert await desk.journal.get(placed.id) == placed
        assert await desk.orders.place(CALLER, command()) == placed
        assert desk.exchange.asked.count("place") == 1


async def test_an_order_whose_sending_fails_inside_is_unknown(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = LookupError("a defect")
        placed = await desk.orders.place(CALLER, command())
        assert (placed.state, placed.new_id_safe) == (S.UNKNOWN, False)
        assert await desk.orders.place(CALLER, command()) == placed
        assert desk.exchange.asked.count("place") == 1


async def test_an_order_whose_sender_has_gone_stays_under_way_until_somebody_takes_it_over(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.hold("place")
        placing = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: "place" in desk.exchange.asked)
        await desk.orders.aclose(0)
        with pytest.raises(asyncio.CancelledError):
            await placing
        desk.exchange.release()
        standing = await desk.orders.place(CALLER, command())
        assert (standing.state, len(standing.owner)) == (S.SENDING, 8)
        assert desk.exchange.asked.count("place") == 1


async def test_the_same_command_at_once_is_sent_once(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await asyncio.gather(*(desk.orders.place(CALLER, command()) for _ in range(20)))
        assert {placement.id for placement in placed} == {placed[0].id}
        assert desk.exchange.asked.count("place") == 1


async def test_replicas_that_get_the_same_command_send_it_once(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        placing = (desk.orders.place(CALLER, command()) for desk in (one, other))
        placed = await asyncio.gather(*placing)
        assert placed[0].id == placed[1].id
        assert [*one.exchange.asked, *other.exchange.asked].count("place") == 1


async def test_what_one_replica_refuses_another_does_not_send_afterwards(
    valkey: ValkeyServer,
) -> None:
    forbids = policy(Action.ORDERS_CANCEL)
    async with desk_of(valkey.url) as one, desk_of(valkey.url, forbids) as other:
        one.exchange.hold("markets")
        under_way = asyncio.create_task(one.orders.place(CALLER, command()))
        await until(lambda: one.exchange.waiting)
        with pytest.raises(Forbidden):
            await other.orders.place(CALLER, command())
        one.exchange.release()
        with pytest.raises(RefusedMeanwhile, match="repeat it under its clientOrderId"):
            await under_way
        assert "place" not in one.exchange.asked
        placed = await one.orders.place(CALLER, command())
        assert placed.state is S.ACCEPTED
        assert (await other.orders.place(CALLER, command())).id == placed.id


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_same_id_with_another_command_is_refused(
    valkey: ValkeyServer, *, at_once: bool
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command("first"))
        desk.exchange.hold("place")
        first = asyncio.create_task(desk.orders.place(CALLER, command(quantity="10")))
        await until(lambda: desk.exchange.waiting)
        if not at_once:
            desk.exchange.release()
            await first
        equal = asyncio.create_task(desk.orders.place(CALLER, command(quantity="10.0")))
        another = asyncio.create_task(desk.orders.place(CALLER, command(quantity="11")))
        await turns()
        desk.exchange.release()
        with pytest.raises(BadUserInput, match="another command"):
            await another
        assert await equal == await first
        assert desk.exchange.asked.count("place") == 2


async def test_an_order_outlives_the_caller_who_asked_for_it(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command("first"))
        desk.exchange.hold()
        caller = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.asked.count("place") == 2)
        caller.cancel()
        await turns()
        desk.exchange.release()
        await desk.orders.aclose(20)
        found = await desk.journal.find(APP.id, "demo", "c-1")
        assert found is not None
        assert found.state is S.ACCEPTED


async def test_an_order_that_is_given_up_at_the_stop_stays_sending(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command("first"))
        desk.exchange.hold()
        caller = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.asked.count("place") == 2)
        await desk.orders.aclose(0.01)
        await asyncio.gather(caller, return_exceptions=True)
        found = await desk.journal.find(APP.id, "demo", "c-1")
        assert found is not None
        assert found.state is S.SENDING


async def test_an_order_that_took_too_long_is_not_sent(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, ready_within_s=0.05) as desk:
        desk.exchange.hold("markets")
        with pytest.raises(NotInTime, match="not sent: repeat it"):
            await desk.orders.place(CALLER, command())
        assert "place" not in desk.exchange.asked
        assert await desk.journal.find(APP.id, "demo", "c-1") is None
        desk.exchange.release()
        assert (await desk.orders.place(CALLER, command())).state is S.ACCEPTED


async def test_an_order_that_nothing_could_hurry_is_not_sent_either(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, ready_within_s=0.05) as desk:
        desk.watch.limiter.deaf = True
        with pytest.raises(NotInTime):
            await desk.orders.place(CALLER, command())
        assert desk.watch.audit.events == []


async def test_with_the_journal_away_nothing_is_sent() -> None:
    async with desk_of("redis://127.0.0.1:1", patience_s=0.5) as desk:
        with pytest.raises(NotRecorded):
            await desk.orders.place(CALLER, command())
        assert "place" not in desk.exchange.asked


async def test_whether_an_order_was_sent_before_cannot_be_told_with_the_journal_away() -> None:
    async with desk_of("redis://127.0.0.1:1", patience_s=0.5) as desk:
        desk.exchange.answers["prepare order"] = NOT_SENT
        with pytest.raises(NotRecorded):
            await desk.orders.place(CALLER, command())


async def test_an_outcome_is_told_although_the_journal_went_away_after_the_order_left(
    own_valkey: ValkeyServer,
) -> None:
    async with desk_of(own_valkey.url, patience_s=2) as desk:
        await desk.orders.place(CALLER, command("first"))
        desk.exchange.hold()
        placing = asyncio.create_task(desk.orders.place(CALLER, command()))
        await until(lambda: desk.exchange.asked.count("place") == 2)
        own_valkey.kill()
        desk.exchange.release()
        placed = await placing
        assert placed.state is S.ACCEPTED
        assert desk.journal.pending() == 1
        own_valkey.start()
        writing = asyncio.create_task(desk.journal.run())
        await desk.journal.caught_up()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    async with open_patient(own_valkey.url) as redis:
        assert await journal_on(redis).get(placed.id) == replace(placed, baseline=None)


async def test_what_cannot_be_signed_now_is_replayed_or_raised(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        desk.exchange.answers["prepare order"] = NOT_SENT
        assert await desk.orders.place(CALLER, command()) == placed
        with pytest.raises(NotSent):
            await desk.orders.place(CALLER, command("another"))
        assert await desk.journal.find(APP.id, "demo", "another") is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (command("with space"), "clientOrderId"),
        (command(""), "clientOrderId"),
        (command("c" * 65), "clientOrderId"),
        (command("\u0661"), "clientOrderId"),
        (command(quantity="0"), "order.limit.quantity"),
        (command(quantity="-1"), "order.limit.quantity"),
        (command_of(T.LIMIT, price="0", quantity="1"), "order.limit.price"),
        (command_of(T.MARKET, quantity="0"), "order.market.quantity"),
        (
            command_of(T.STOP_LIMIT, stop_price="-1", price="1", quantity="1"),
            "order.stopLimit.stopPrice",
        ),
        (
            command_of(T.STOP_LIMIT, stop_price="1", price="0", quantity="1"),
            "order.stopLimit.price",
        ),
        (
            command_of(T.STOP_LIMIT, stop_price="1", price="1", quantity="0"),
            "order.stopLimit.quantity",
        ),
        (command_of(T.FAST, quote_total="0"), "order.fast.quoteTotal"),
        (command_of(T.FAST, OrderSide.SELL, quantity="0"), "order.fast.quantity"),
        (command_of(T.FAST, quantity="1"), "order.fast"),
        (command_of(T.FAST, OrderSide.SELL, quote_total="1"), "order.fast"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_by_its_field(
    valkey: ValkeyServer, given: object, field: str
) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(BadUserInput) as refused:
            await desk.orders.place(CALLER, given)  # type: ignore[arg-type]
        assert refused.value.field == field
        assert desk.exchange.asked == []


@pytest.mark.parametrize(
    "given",
    [
        command_of(T.MARKET, quantity="1"),
        command_of(T.STOP_LIMIT, stop_price="90", price="80", quantity="1"),
        command_of(T.FAST, quote_total="1"),
        command_of(T.FAST, OrderSide.SELL, quantity="1"),
    ],
)
async def test_an_order_of_every_type_is_sent_once_and_replayed(
    valkey: ValkeyServer, given: PlaceOrder
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, given)
        assert (placed.state, placed.command) == (S.ACCEPTED, given)
        assert await desk.orders.place(CALLER, given) == placed
        assert desk.exchange.asked.count("place") == 1


async def test_an_accepted_order_without_an_id_is_found_by_its_placement_alone(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = order(None, filled=10, status=OrderStatus.FILLED)
        placed = await desk.orders.place(CALLER, command_of(T.MARKET, quantity="10"))
        assert placed.state is S.ACCEPTED
        assert placed.order == order(None, filled=10, status=OrderStatus.FILLED)
        assert await desk.placements.one(APP, placed.id) == placed


@pytest.mark.parametrize("outcome", [order("placed"), UNCLEAR, REFUSED])
@pytest.mark.parametrize("what", ["place", "cancel"])
async def test_who_asks_after_an_order_shares_no_answer_with_who_asked_before(
    valkey: ValkeyServer, what: str, outcome: object
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers[what] = outcome
        desk.exchange.hold("open orders")
        before = asyncio.create_task(desk.accounts.open_orders(CALLER, "demo"))
        await until(lambda: desk.exchange.waiting)
        with suppress(Refused):
            await (
                desk.orders.place(CALLER, command())
                if what == "place"
                else desk.cancels.cancel(CALLER, "demo", "placed")
            )
        after = asyncio.create_task(desk.accounts.open_orders(CALLER, "demo"))
        await until(lambda: desk.exchange.asked.count("open orders") == 2)
        desk.exchange.release()
        await asyncio.gather(before, after)


async def test_an_unknown_market_is_refused_before_anything_is_recorded(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(UnknownSymbol):
            await desk.orders.place(CALLER, replace(command(), symbol="NOPE"))
        assert await desk.journal.find(APP.id, "demo", "c-1") is None


@pytest.mark.parametrize(
    ("granted", "refusal"),
    [
        (policy(Action.ACCOUNT_READ), Forbidden),
        (policy(Action.MARKET_READ), UnknownAccount),
        (policy(Action.ORDERS_PLACE, account="other"), UnknownAccount),
        (policy(Action.ORDERS_PLACE, Action.ORDERS_CANCEL, account=None), UnknownAccount),
    ],
)
async def test_what_the_policy_does_not_grant_is_refused(
    valkey: ValkeyServer, granted: Policy, refusal: type[GatewayError]
) -> None:
    async with desk_of(valkey.url, granted) as desk:
        with pytest.raises(refusal):
            await desk.orders.place(CALLER, command())
        with pytest.raises(refusal):
            await desk.cancels.cancel(CALLER, "demo", "placed")
        assert desk.exchange.asked == []


async def test_a_placement_is_shown_to_nobody_but_its_principal(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
        assert await desk.placements.one(APP, placed.id) == placed
        assert await desk.placements.one(OTHER, placed.id) is None
        assert await desk.placements.one(APP, "demo.nothing") is None
        assert await desk.placements.of_orders(APP, "demo", ["placed"]) == {"placed": placed}
        assert await desk.placements.of_orders(OTHER, "demo", ["placed"]) == {}


@pytest.mark.parametrize("client_order_id", ["a", "A-z.0_9." * 8, "v3:" + "0f" * 32])
def test_an_id_is_of_a_few_characters_or_a_signature(client_order_id: str) -> None:
    check_id(client_order_id)


@pytest.mark.parametrize(
    "client_order_id",
    ["", "a" * 65, "a b", "ä", "v3:", "v3:" + "0f" * 31, "v3:" + "0F" * 32, "v2:" + "0f" * 32],
)
def test_what_is_neither_is_no_id(client_order_id: str) -> None:
    with pytest.raises(BadUserInput, match="clientOrderId"):
        check_id(client_order_id)
