import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import pytest

from gateway.domain.errors import RateLimited
from gateway.domain.limits import LimitState, Rate
from gateway.services.allowance import Allowance, Clocks
from gateway.store.rates import RateStore
from tests.unit.services.examples import open_patient
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

HOURLY = Rate(1000, 3600)
NOW = 1_000_000


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A store, and how often Redis was asked."""

    store: RateStore
    valkey: ValkeyServer
    seconds: Seconds

    def allowance(self, rate: Rate = HOURLY, cap: int = 1000) -> Allowance:
        """One replica's."""
        clocks = Clocks(lambda: NOW, self.seconds)
        return Allowance("requests", "requests:app", rate, cap, self.store, clocks)

    def in_redis(self) -> int:
        """How many count there."""
        return int(self.valkey.command("GET", "ngw:1:rate:{requests:app:3600}").split()[1])


@asynccontextmanager
async def counted(valkey: ValkeyServer) -> AsyncIterator[Counted]:
    async with open_patient(valkey.url) as redis:
        store = RateStore(redis, on_local=lambda: pytest.fail("Redis is there"))
        yield Counted(store, valkey, Seconds())


async def take(allowance: Allowance, times: int) -> None:
    for _ in range(times):
        await allowance.take()


async def refusal(allowance: Allowance) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await allowance.take()
    return caught.value


async def test_all_but_cancels_get_up_to_the_cap_and_no_more(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(cap=800)
        await take(allowance, 800)
        assert (await refusal(allowance)).limit == "requests"
        assert desk.in_redis() == 800


async def test_replicas_get_the_cap_together(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        replicas = [desk.allowance(cap=100), desk.allowance(cap=100)]
        granted = 0
        for allowance in replicas * 60:
            try:
                await allowance.take()
            except RateLimited:
                continue
            granted += 1
        assert granted == 100


async def test_callers_at_once_get_the_cap_together(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(cap=100)
        answers = await asyncio.gather(
            *(allowance.take() for _ in range(150)), return_exceptions=True
        )
        assert answers.count(None) == 100
        assert all(isinstance(answer, RateLimited) for answer in answers if answer is not None)


async def test_callers_at_once_share_a_batch(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance()
        await take(allowance, 10)
        await asyncio.gather(*(allowance.take() for _ in range(50)))
        assert desk.in_redis() <= 60 + 50


async def test_cancels_go_on_when_all_else_is_used_up(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(10, 3600), cap=8)
        await take(allowance, 8)
        await refusal(allowance)
        await allowance.take_for_cancel()
        await allowance.take_for_cancel()
        with pytest.raises(RateLimited):
            await allowance.take_for_cancel()


async def test_a_cancel_may_use_what_the_others_leave(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(10, 3600), cap=8)
        for _ in range(10):
            await allowance.take_for_cancel()
        await refusal(allowance)


async def test_what_is_only_counted_is_never_refused_and_leaves_less_to_all_but_cancels(
    valkey: ValkeyServer,
) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(10, 3600), cap=8)
        for _ in range(12):
            await allowance.count()
        assert desk.in_redis() == 8
        await refusal(allowance)
        await allowance.take_for_cancel()
        await allowance.take_for_cancel()


async def test_batches_grow_up_to_a_twentieth_of_the_cap(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(cap=200)
        counts = []
        for _ in range(40):
            await allowance.take()
            counts.append(desk.in_redis())
        steps = sorted({after - before for before, after in pairwise(counts)})
        assert steps == [0, 2, 4, 8, 10]


async def test_what_is_not_spent_in_time_is_lost_and_the_next_batch_is_what_was(
    valkey: ValkeyServer,
) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance()
        await take(allowance, 20)
        assert desk.in_redis() == 1 + 2 + 4 + 8 + 16
        desk.seconds.now += 1.0
        await allowance.take()
        assert desk.in_redis() == 31 + 5


async def test_who_asks_now_and_then_loses_nothing(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance()
        for _ in range(10):
            await allowance.take()
            desk.seconds.now += 1.0
        assert desk.in_redis() == 10


async def test_a_refusal_tells_how_long_until_there_is_room(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(1, 3600), cap=1)
        await allowance.take()
        refused = await refusal(allowance)
        assert 3500 < refused.retry_after <= 3600.01


async def test_who_is_refused_asks_redis_no_more_until_there_is_room(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(1, 3600), cap=1)
        await allowance.take()
        first = await refusal(allowance)
        valkey.command("FLUSHALL")
        desk.seconds.now += 10
        later = await refusal(allowance)
        assert later.retry_after == pytest.approx(first.retry_after - 10, abs=0.01)
        desk.seconds.now += later.retry_after
        await allowance.take()


async def test_an_unused_limit_is_whole(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        whole = LimitState("requests", Decimal(800), Decimal(800), None, 3600)
        assert desk.allowance(cap=800).state() == whole


async def test_what_is_left_falls_by_one_each_time_whatever_the_batches(
    valkey: ValkeyServer,
) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(cap=800)
        left = []
        for _ in range(100):
            await allowance.take()
            left.append(allowance.state().remaining)
        assert left == [Decimal(800 - taken) for taken in range(1, 101)]


async def test_nothing_is_left_when_cancels_have_used_more_than_their_share(
    valkey: ValkeyServer,
) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance(Rate(10, 3600), cap=8)
        for _ in range(10):
            await allowance.take_for_cancel()
        assert allowance.state().remaining == 0


async def test_a_limit_tells_when_it_is_whole_again_and_then_it_is(valkey: ValkeyServer) -> None:
    async with counted(valkey) as desk:
        allowance = desk.allowance()
        await allowance.take()
        resets_at = allowance.state().resets_at
        assert resets_at is not None
        assert 7_100_000 < resets_at - NOW <= 7_200_001
        desk.seconds.now += 7201
        assert allowance.state().remaining == 1000
