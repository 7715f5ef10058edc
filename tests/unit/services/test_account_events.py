"""Followers of an account's events, which stand in a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.account_events import AccountEvent
from gateway.domain.errors import NotLookedUp
from gateway.domain.leadership import Leadership
from gateway.domain.streams import Gap
from gateway.services.account_events import AccountEvents
from gateway.store.account_events import AccountEventStore
from gateway.store.journal_keys import events_key, guard_key
from gateway.store.leases import AccountLeases
from gateway.store.redis import open_redis
from tests.unit.services.examples import open_patient
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

OFTEN_S = 0.005
TRIMMED = "the events in between are no longer kept"
ANEW = "the account's events were lost, or are counted anew"

Told = AccountEvent | Gap


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


class Writer:
    """Leads the account demo, and appends events to it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._leadership: Leadership | None = None
        self.store = AccountEventStore(redis, most=100_000)
        self.events = AccountEvents(self.store, every_s=OFTEN_S)

    async def append(self, *times: int) -> None:
        if self._leadership is None:
            self._leadership = await AccountLeases(self._redis).acquire("demo", "one", 60_000)
        assert self._leadership is not None
        made = [AccountEvent(sequence=0, time=time, gap=Gap(time, "test")) for time in times]
        await self.store.append(self._leadership, made)

    async def forget(self, before: int) -> None:
        await self._redis.xtrim(events_key("demo"), minid=f"{before}-0", approximate=False)

    async def copy(self) -> dict[str, bytes]:
        """All that there is of the events, as a copy of the data has it."""
        keys = (events_key("demo"), guard_key("demo"))
        return {key: await self._redis.dump(key) or b"" for key in keys}

    async def restore(self, copy: dict[str, bytes]) -> None:
        for key, value in copy.items():
            await self._redis.restore(key, 0, value, replace=True)


@pytest.fixture
def writer(redis: Redis) -> Writer:
    return Writer(redis)


def following(
    events: AccountEvents, after: int | None = None
) -> AbstractAsyncContextManager[AsyncGenerator[Told]]:
    return aclosing(events.follow("demo", after))


async def take(stream: AsyncGenerator[Told], count: int) -> list[Told]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


async def one(stream: AsyncGenerator[Told]) -> Told:
    (told,) = await take(stream, 1)
    return told


def event(number: int, time: int | None = None) -> AccountEvent:
    time = number if time is None else time
    return AccountEvent(sequence=number, time=time, gap=Gap(time, "test"))


def waiting(stream: AsyncGenerator[Told]) -> asyncio.Task[Told]:
    """Wait for the next event in the background; let it get as far as it can."""
    return asyncio.create_task(one(stream))


async def begun(stream: AsyncGenerator[Told], redis: Redis) -> asyncio.Task[Told]:
    """A follower that has looked where it begins, and waits."""
    before = await calls(redis, "xrevrange")
    task = waiting(stream)
    while True:
        if await calls(redis, "xrevrange") > before:
            return task
        await asyncio.sleep(OFTEN_S)


async def calls(redis: Redis, command: str) -> int:
    told = await redis.info("commandstats")
    return int(told.get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def test_a_follower_gets_what_comes_from_now_on(redis: Redis, writer: Writer) -> None:
    await writer.append(1, 2)
    async with following(writer.events) as stream:
        first = await begun(stream, redis)
        await writer.append(3)
        await writer.append(4, 5)
        assert [await first, *await take(stream, 2)] == [event(3), event(4), event(5)]


async def test_a_follower_that_comes_back_misses_nothing_and_gets_nothing_twice(
    writer: Writer,
) -> None:
    await writer.append(*range(1, 1_201))
    async with following(writer.events, 0) as stream:
        assert await take(stream, 700) == [event(number) for number in range(1, 701)]
    await writer.append(1_201)
    async with following(writer.events, 700) as stream:
        assert await take(stream, 501) == [event(number) for number in range(701, 1_202)]


async def test_many_followers_of_one_account_share_its_reader(redis: Redis, writer: Writer) -> None:
    await writer.append(1)
    events = AccountEvents(writer.store, every_s=0.5)
    streams = [events.follow("demo", 0) for _ in range(50)]
    assert await asyncio.gather(*map(one, streams)) == [event(1)] * 50
    before = await calls(redis, "xrange")
    nine = [asyncio.create_task(take(stream, 9)) for stream in streams]
    await writer.append(*range(2, 11))
    assert await asyncio.gather(*nine) == [[event(number) for number in range(2, 11)]] * 50
    # One reads for all, some times; each of them alone would make 50.
    assert await calls(redis, "xrange") - before < 25
    for stream in streams:
        await stream.aclose()


async def test_one_who_leaves_while_it_reads_for_all_keeps_nobody_waiting(
    redis: Redis, writer: Writer
) -> None:
    async with following(writer.events) as leaves, following(writer.events) as stays:
        left = await begun(leaves, redis)
        first = await begun(stays, redis)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        await writer.append(1)
        assert await first == event(1)


async def test_what_is_no_longer_kept_is_a_gap_and_then_comes_what_there_is(
    writer: Writer,
) -> None:
    await writer.append(*range(1, 11))
    await writer.forget(before=6)
    async with following(writer.events, 2) as stream:
        assert await take(stream, 6) == [Gap(0, TRIMMED), *map(event, range(6, 11))]


async def test_a_follower_that_is_too_slow_gets_a_gap_since_its_last_event(writer: Writer) -> None:
    async with following(writer.events, 0) as stream:
        await writer.append(70)
        assert await one(stream) == event(1, 70)
        await writer.append(*range(2, 1_503))
        await writer.forget(before=1_500)
        assert await take(stream, 2) == [Gap(70, TRIMMED), event(1_500)]


async def test_a_number_that_is_not_reached_yet_is_a_gap_for_events_were_lost(
    writer: Writer,
) -> None:
    await writer.append(1, 2)
    async with following(writer.events, 7) as stream:
        assert await one(stream) == Gap(0, ANEW)
        await writer.append(3)
        assert await one(stream) == event(3)


@pytest.mark.parametrize("anew", [0, 1, 3], ids=["nothing", "fewer", "more"])
async def test_events_that_took_the_place_of_others_are_a_gap(writer: Writer, anew: int) -> None:
    async with following(writer.events, 0) as stream:
        await writer.append(1)
        copy = await writer.copy()
        await writer.append(2, 3)
        assert await take(stream, 3) == [event(1), event(2), event(3)]
        await writer.restore(copy)
        await writer.append(*[50] * anew)
        with capture_logs() as lines:
            assert await one(stream) == Gap(3, ANEW)
        assert [line["event"] for line in lines] == ["account_events.turned"]
        await writer.append(60)
        assert await one(stream) == event(2 + anew, 60)


async def test_while_redis_is_away_nothing_comes_and_then_nothing_is_missing(
    own_valkey: ValkeyServer,
) -> None:
    async with open_redis(
        own_valkey.url, connect_timeout=5, command_timeout=5, max_connections=8
    ) as redis:
        writer = Writer(redis)
        await writer.append(1)
        async with following(writer.events, 0) as stream:
            assert await one(stream) == event(1)
            with capture_logs() as lines:
                await asyncio.to_thread(own_valkey.stop)
                second = waiting(stream)
                await asyncio.sleep(20 * OFTEN_S)
                assert not second.done()
                await asyncio.to_thread(own_valkey.start)
                await writer.append(2)
                assert await second == event(2)
            events = [line["event"] for line in lines]
            assert events == ["account_events.away", "account_events.back"]


async def test_nobody_begins_to_follow_while_redis_is_away() -> None:
    async with open_redis(
        "redis://127.0.0.1:1", connect_timeout=1, command_timeout=1, max_connections=1
    ) as away:
        events = AccountEvents(AccountEventStore(away, most=1))
        async with following(events) as stream:
            with pytest.raises(NotLookedUp):
                await one(stream)


async def test_a_restored_copy_of_the_data_is_a_gap_for_who_followed_beyond_it(
    own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with open_patient(own_valkey.url) as redis:
        writer = Writer(redis)
        await writer.append(1, 2)
        own_valkey.keep(tmp_path / "older")
        async with following(writer.events, 0) as stream:
            await writer.append(3)
            assert await take(stream, 3) == [event(1), event(2), event(3)]
            await asyncio.to_thread(own_valkey.kill)
            own_valkey.restore(tmp_path / "older")
            await asyncio.to_thread(own_valkey.start)
            assert await one(stream) == Gap(3, ANEW)
            await writer.append(30)
            assert await one(stream) == event(3, 30)
