"""How an order ended that is not open; journal and events are in a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis

from gateway.domain.account import Fill
from gateway.domain.account_events import AccountEvent
from gateway.domain.errors import GatewayError, NotSent
from gateway.domain.order_errors import OrderClosedUnknown, OrderFilled, OrderNotFound
from gateway.domain.orders import Order, OrderStatus
from gateway.services.account_stream import ACCOUNT
from gateway.services.closed_orders import ClosedOrders, may_be_filled, may_be_traded
from gateway.services.recent_placements import RecentPlacements
from gateway.store.account_events import AccountEventStore
from gateway.store.leases import AccountLeases
from tests.unit.services.desks import Watch, journal_on, reads_of, streams_of
from tests.unit.services.examples import fill, open_patient, order
from tests.unit.services.following import Desk as FollowingDesk
from tests.unit.services.following import desk_of as following
from tests.unit.store.examples import accepted, placement
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

CANCELLED, FILLED = OrderStatus.CANCELLED, OrderStatus.FILLED
PLACED = order("o-1")
"""Ten at 100, placed at 1000 ms."""
OLDER = replace(fill(1), time=-1)
"""A trade from before that: with it, no later one is missing in a list."""


@dataclass
class Desk:
    closed: ClosedOrders
    following: FollowingDesk
    recent: RecentPlacements
    redis: Redis

    def knows(self, placed: Order = PLACED) -> None:
        """Have the order placed here lately."""
        self.recent.add(replace(placement(), order=placed))

    def tell(self, *frames: Order) -> None:
        for frame in frames:
            self.following.feed.tell(ACCOUNT, frame)

    def list_fills(self, *fills: Fill) -> None:
        self.following.exchange.answers["fills"] = fills

    async def lead(self, *told: Order) -> None:
        """Have another process tell the account's events."""
        leadership = await AccountLeases(self.redis).acquire("demo", "another", 60_000)
        assert leadership is not None
        events = [AccountEvent(sequence=0, time=1, order=each) for each in told]
        await AccountEventStore(self.redis, 1000).append(leadership, events)

    async def end_of(self, order_id: str = "o-1") -> Order | None:
        return await self.closed.require_cancelled("demo", order_id)

    async def ends_as(self, kind: type[GatewayError]) -> None:
        with pytest.raises(kind):
            await self.end_of()


@pytest.fixture
async def desk(valkey: ValkeyServer) -> AsyncIterator[Desk]:
    async with open_patient(valkey.url) as redis, following() as followed:
        recent = RecentPlacements()
        closed = ClosedOrders(
            streams=streams_of({"demo": followed.stream}),
            events=AccountEventStore(redis, 1000),
            journal=journal_on(redis),
            recent=recent,
            exchange=followed.exchange.client,
            reads=reads_of(Watch()),
        )
        yield Desk(closed, followed, recent, redis)


async def test_an_order_whose_end_was_told_as_cancelled_is(desk: Desk) -> None:
    desk.tell(order("o-1", 3, CANCELLED))
    assert await desk.end_of() == order("o-1", 3, CANCELLED)


async def test_an_order_whose_end_was_told_as_filled_comes_with_the_refusal(desk: Desk) -> None:
    desk.tell(order("o-1", 10, FILLED))
    with pytest.raises(OrderFilled) as caught:
        await desk.end_of()
    assert caught.value.order == order("o-1", 10, FILLED)


async def test_the_end_that_the_account_s_leader_told_is_as_good(desk: Desk) -> None:
    await desk.lead(order("o-1"), order("o-1", 10, FILLED))
    with pytest.raises(OrderFilled):
        await desk.end_of()


async def test_an_end_that_is_told_a_little_later_is_waited_for(desk: Desk) -> None:
    desk.knows()
    desk.list_fills(*(fill(number) for number in range(50)))
    asking = asyncio.create_task(desk.end_of())
    await asyncio.sleep(0.02)
    desk.tell(order("o-1", 3, CANCELLED))
    assert (await asking) == order("o-1", 3, CANCELLED)


async def test_the_stream_may_call_an_order_by_another_id(desk: Desk) -> None:
    desk.knows()
    desk.tell(order("another-name", 3, CANCELLED))
    assert await desk.end_of() == order("o-1", 3, CANCELLED)


async def test_of_two_orders_alike_by_other_ids_nobody_can_tell_which_it_is(desk: Desk) -> None:
    desk.knows()
    desk.tell(order("one", 10, FILLED), order("two", 0, CANCELLED))
    desk.list_fills(replace(fill(1), quantity=Decimal(10)))
    await desk.ends_as(OrderClosedUnknown)


async def test_an_order_that_too_little_was_traded_for_was_cancelled(desk: Desk) -> None:
    desk.knows()
    desk.list_fills(replace(fill(1), quantity=Decimal("9.9")), OLDER)
    found = await desk.end_of()
    assert found == replace(PLACED, status=CANCELLED, filled_quantity=None)


async def test_an_order_that_enough_was_traded_for_may_have_been_filled_or_not(desk: Desk) -> None:
    desk.knows()
    desk.list_fills(replace(fill(1), quantity=Decimal(10)))
    with pytest.raises(OrderClosedUnknown) as caught:
        await desk.end_of()
    assert caught.value.order == replace(PLACED, status=OrderStatus.CLOSED_UNKNOWN)


async def test_without_the_fills_nothing_is_said(desk: Desk) -> None:
    desk.knows()
    desk.following.exchange.answers["fills"] = NotSent("user-trades", "connect")
    await desk.ends_as(OrderClosedUnknown)


async def test_an_order_that_the_journal_knows_is_looked_up_there(desk: Desk) -> None:
    journal = journal_on(desk.redis)
    begun = await journal.begin(placement(), lease_ms=60_000)
    await journal.finish(replace(accepted(begun, "o-1"), order=PLACED))
    assert await desk.end_of() == replace(PLACED, status=CANCELLED, filled_quantity=None)


async def test_an_order_that_was_seen_open_and_is_nobody_s_ended_somehow(desk: Desk) -> None:
    desk.tell(order("o-1"))
    await desk.ends_as(OrderClosedUnknown)


async def test_an_order_known_to_be_another_s_ended_somehow(desk: Desk) -> None:
    leadership = await AccountLeases(desk.redis).acquire("demo", "one", 60_000)
    assert leadership is not None
    assert await journal_on(desk.redis).claim_external("demo", "o-1", leadership)
    await desk.ends_as(OrderClosedUnknown)


async def test_an_order_that_nothing_knows_is_not_found(desk: Desk) -> None:
    desk.tell(order("another", 0, CANCELLED))
    await desk.ends_as(OrderNotFound)


async def test_while_the_journal_is_away_no_order_is_called_unknown_to_it(
    own_valkey: ValkeyServer,
) -> None:
    async with open_patient(own_valkey.url) as redis, following() as followed:
        await asyncio.to_thread(own_valkey.stop)
        closed = ClosedOrders(
            streams=streams_of({}),
            events=AccountEventStore(redis, 1000),
            journal=journal_on(redis),
            recent=RecentPlacements(),
            exchange=followed.exchange.client,
            reads=reads_of(Watch()),
        )
        with pytest.raises(OrderClosedUnknown):
            await closed.require_cancelled("demo", "o-1")


@pytest.mark.parametrize(
    ("answer", "may_be"),
    [((PLACED,), True), ((order("another"),), False), (NotSent("user-orders", "connect"), True)],
)
async def test_an_order_may_be_open_unless_a_list_lacks_it(
    desk: Desk, answer: object, *, may_be: bool
) -> None:
    desk.following.exchange.answers["open orders"] = answer
    assert await desk.closed.may_be_open("demo", "o-1") == may_be


TEN = replace(fill(5), quantity=Decimal(10))


@pytest.mark.parametrize(
    ("placed", "fills", "may_be"),
    [
        (PLACED, (TEN,), True),
        (PLACED, (), False),
        (PLACED, (replace(TEN, symbol="ETHUSDT"), OLDER), False),
        (PLACED, (replace(TEN, symbol="ETHUSDT"),), True),
        (replace(PLACED, time=10_000), (replace(TEN, time=1_000),), False),
        (replace(PLACED, time=10_000), (replace(TEN, time=9_500),), True),
        (PLACED, (replace(TEN, quantity=Decimal("0.1")),) * 20, True),
        (
            replace(PLACED, time=10_000),
            (
                *(replace(TEN, time=9_990, quantity=Decimal("0.1")),) * 19,
                replace(TEN, time=8_000),
            ),
            False,
        ),
        (replace(PLACED, quantity=None), (), True),
    ],
    ids=[
        "all",
        "none",
        "elsewhere",
        "cut-off-elsewhere",
        "before",
        "about-then",
        "cut-off",
        "reaches-back",
        "no-terms",
    ],
)
def test_only_too_few_fills_since_it_was_placed_show_that_an_order_was_not_filled(
    placed: Order, fills: tuple[Fill, ...], *, may_be: bool
) -> None:
    assert may_be_filled(placed, fills) == may_be


def test_an_order_may_have_traded_unless_a_list_that_goes_back_far_enough_shows_nothing() -> None:
    bit = replace(TEN, quantity=Decimal("0.1"))
    assert may_be_traded(PLACED, (bit, OLDER))
    assert may_be_traded(PLACED, (replace(bit, symbol="ETHUSDT"),))
    assert not may_be_traded(PLACED, (replace(bit, symbol="ETHUSDT"), OLDER))
    assert not may_be_traded(PLACED, ())
