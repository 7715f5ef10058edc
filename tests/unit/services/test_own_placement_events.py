"""What a principal is told of its placements, over a real journal and its events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

import pytest
from redis.asyncio import Redis

from gateway.domain.orders import OrderSpec
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.services.account_events import AccountEvents
from gateway.services.own_placement_events import own_placement_events
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from gateway.store.redis import open_redis
from tests.unit.services.examples import until
from tests.unit.store.examples import accepted, placement
from tests.unit.store.journals import begin, journal_of, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
OWN = "demo-app"


def intent(number: int, principal: str = OWN) -> Placement:
    """An intent that is like no other."""
    made = placement(number, client_order_id=f"c-{number}")
    spec = OrderSpec(price=Decimal(number), quantity=Decimal(1))
    return replace(made, principal=principal, command=replace(made.command, spec=spec))


@dataclass
class Desk:
    """The journal, and what was told of it to one who follows."""

    journal: OrderJournal
    redis: Redis
    told: list[Placement] = field(default_factory=list)

    async def follow(self, redis: Redis) -> None:
        events = AccountEvents(AccountEventStore(redis, most=1_000), every_s=0.005)
        async with aclosing(own_placement_events(events, OWN, "demo")) as following:
            async for each in following:
                self.told.append(each)

    async def begun(self) -> None:
        """What is there before somebody follows is not told: go on until something is."""
        for number in count(1_000):
            last = await lost(self.journal, intent(number))
            if self.told:
                break
        await until(lambda: self.told[-1] == last)
        self.told.clear()

    async def states(self, count: int) -> list[PlacementState]:
        """The states of what was told, once there are so many."""
        await until(lambda: len(self.told) >= count)
        return [each.state for each in self.told]

    async def resolve(self, unknown: Placement, state: PlacementState) -> Placement:
        verdict = Verdict(placement=unknown, state=state, evidence="as it was seen")
        return await self.journal.resolve(verdict, leader=await lead(self.redis))


@asynccontextmanager
async def desk_of(valkey: ValkeyServer) -> AsyncIterator[Desk]:
    async with journal_of(valkey) as (journal, redis):
        desk = Desk(journal, redis)
        following = asyncio.create_task(desk.follow(redis))
        try:
            await desk.begun()
            yield desk
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def test_an_own_placement_is_followed_from_unknown_to_its_end(valkey: ValkeyServer) -> None:
    async with desk_of(valkey) as desk:
        first = await lost(desk.journal, intent(1))
        second = await lost(desk.journal, intent(2))
        doubtful = await desk.resolve(first, S.IN_DOUBT)
        await desk.resolve(second, S.NOT_PLACED)
        await desk.resolve(doubtful, S.NOT_PLACED)
        assert await desk.states(5) == [
            *(S.UNKNOWN, S.UNKNOWN),
            *(S.IN_DOUBT, S.NOT_PLACED, S.NOT_PLACED),
        ]
        assert [each.id for each in desk.told] == [
            each.id for each in (first, second, first, second, first)
        ]


async def test_what_an_answer_told_and_what_is_another_s_is_not_told(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        await lost(desk.journal, intent(1, principal="app"))
        sent = await begin(desk.journal, intent(2))
        await desk.journal.finish(accepted(sent))
        last = await lost(desk.journal, intent(3))
        assert await desk.states(1) == [S.UNKNOWN]
        assert desk.told == [last]


async def test_who_begins_while_redis_is_away_is_told_once_it_is_back(
    own_valkey: ValkeyServer,
) -> None:
    await asyncio.to_thread(own_valkey.stop)
    async with (
        open_redis(
            own_valkey.url, connect_timeout=1, command_timeout=1, max_connections=4
        ) as redis,
        journal_of(own_valkey) as (journal, patient),
    ):
        desk = Desk(journal, patient)
        following = asyncio.create_task(desk.follow(redis))
        await asyncio.sleep(0)
        await asyncio.to_thread(own_valkey.start)
        await desk.begun()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
