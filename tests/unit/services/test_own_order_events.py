import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.errors import NotLookedUp, SourceUnavailable
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.resolution import Verdict
from gateway.domain.streams import Gap
from gateway.services.own_order_events import HELD_S, OwnOrderEvents
from gateway.services.ownership import Ownership
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal
from tests.unit.services.examples import order, policy, turns
from tests.unit.store.examples import accepted, open_patient, open_quick, placement
from tests.unit.store.journals import begin, journal_on, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

OWN = "demo-app"
GAP = Gap(1_000, "cut")
NEW, FILLED = order("o-1"), order("o-1", filled=10, status=OrderStatus.FILLED)
NOBODY = policy()


class Events:
    """A stream that tells what a test tells."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Order | Gap | Exception | None] = asyncio.Queue()
        self.ended = False

    def tell(self, *events: Order | Gap | Exception | None) -> None:
        for event in events:
            self._queue.put_nowait(event)

    async def __call__(self) -> AsyncIterator[Order | Gap]:
        try:
            while (event := await self._queue.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.ended = True


@dataclass
class Desk:
    events: Events
    shown: AsyncGenerator[Order | Gap]
    journal: OrderJournal
    recent: RecentPlacements
    policy: Policy

    async def next(self) -> Order | Gap:
        return await anext(self.shown)

    async def place(self, order_id: str, number: int = 1) -> None:
        begun = await begin(self.journal, placement(number, client_order_id=f"c-{number}"))
        await self.journal.finish(accepted(begun, order_id))


@asynccontextmanager
async def desk_of(
    url: str, principal: str = OWN, granted: Policy = NOBODY, held_s: float = 60
) -> AsyncIterator[Desk]:
    async with open_patient(url) as redis:
        journal, recent, events = journal_on(redis), RecentPlacements(), Events()
        ownership = Ownership(journal=journal, recent=recent, policy=lambda: desk.policy)
        own = OwnOrderEvents(ownership, principal, "demo", held_s)
        async with aclosing(own.of(events())) as shown:
            desk = Desk(events, shown, journal, recent, granted)
            yield desk


async def test_own_orders_and_gaps_are_told_and_those_of_others_are_not(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.place("o-1")
        desk.events.tell(order(None), NEW, GAP, FILLED)
        assert [await desk.next() for _ in range(3)] == [NEW, GAP, FILLED]
    async with desk_of(valkey.url, principal="app") as desk:
        desk.events.tell(NEW, GAP)
        assert await desk.next() == GAP


async def test_with_read_all_everything_is_told(valkey: ValkeyServer) -> None:
    overseer = policy(Action.ORDERS_READ_ALL)
    async with desk_of(valkey.url, principal="app", granted=overseer) as desk:
        desk.events.tell(order(None), NEW, GAP)
        assert [await desk.next() for _ in range(3)] == [order(None), NEW, GAP]


async def test_events_that_overtake_the_answer_are_told_in_order_once_it_is_there(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        coming = asyncio.create_task(desk.next())
        desk.events.tell(NEW, FILLED)
        await turns()
        assert not coming.done()
        await desk.place("o-1")
        assert await coming == NEW
        assert await desk.next() == FILLED


async def test_what_is_held_holds_up_no_other_order(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.place("o-2", 2)
        desk.events.tell(NEW, order("o-2"))
        assert await desk.next() == order("o-2")
        await desk.place("o-1")
        assert await desk.next() == NEW


async def test_what_this_process_has_just_placed_needs_no_journal() -> None:
    async with desk_of("redis://127.0.0.1:1") as desk:
        desk.recent.add(accepted(placement(), "o-1"))
        desk.events.tell(NEW)
        assert await desk.next() == NEW


async def test_what_stays_nobodys_is_let_go_and_told_should_somebody_claim_it_later(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url, held_s=0) as desk:
        await desk.place("o-2", 2)
        desk.events.tell(NEW, order("o-2"))
        assert await desk.next() == order("o-2")
        await desk.place("o-1")
        desk.events.tell(FILLED)
        assert await desk.next() == FILLED


async def test_what_may_be_of_an_own_intent_without_an_outcome_is_held_for_longer(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url, held_s=0) as desk:
        await desk.place("o-2", 2)
        unknown = await lost(desk.journal, placement(3, client_order_id="c-3"))
        desk.events.tell(NEW, order("o-2"))
        assert await desk.next() == order("o-2")
        found = accepted(unknown, "o-1")
        verdict = Verdict(placement=unknown, state=found.state, evidence="it", order=found.order)
        await desk.journal.resolve(verdict, leader=None, by="keeper")
        desk.events.tell(FILLED)
        assert [await desk.next() for _ in range(2)] == [NEW, FILLED]


async def test_a_gap_lets_go_of_what_is_held_for_all_that_stands_follows(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.events.tell(NEW, GAP)
        assert await desk.next() == GAP
        await desk.place("o-1")
        desk.events.tell(FILLED)
        assert await desk.next() == FILLED


async def test_a_grant_that_comes_meanwhile_lets_out_what_is_held(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, principal="app") as desk:
        coming = asyncio.create_task(desk.next())
        desk.events.tell(NEW)
        await turns()
        desk.policy = policy(Action.ORDERS_READ_ALL)
        assert await coming == NEW


async def test_what_cannot_be_looked_up_ends_the_stream_and_is_not_left_out() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        ownership = Ownership(
            journal=journal_on(redis), recent=RecentPlacements(), policy=lambda: NOBODY
        )
        events = Events()
        events.tell(NEW)
        async with aclosing(OwnOrderEvents(ownership, OWN, "demo").of(events())) as shown:
            with pytest.raises(NotLookedUp):
                await anext(shown)
        assert events.ended
    assert HELD_S > 0


async def test_the_end_and_a_failure_of_the_stream_are_passed_on(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.events.tell(SourceUnavailable("the stream"))
        with pytest.raises(SourceUnavailable):
            await desk.next()
    async with desk_of(valkey.url) as desk:
        desk.events.tell(GAP, None)
        assert [event async for event in desk.shown] == [GAP]


async def test_a_subscriber_who_leaves_ends_the_stream_behind(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        coming = asyncio.create_task(desk.next())
        await turns()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        assert desk.events.ended
