import asyncio
import math
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import Rate
from gateway.store.rates import RateStore, Usage
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

HOURLY = Rate(10, 3600)
EACH_SECOND = Rate(4, 1)


@asynccontextmanager
async def patient_store(url: str, local: list[None] | None = None) -> AsyncIterator[RateStore]:
    async with open_patient(url) as redis:
        yield RateStore(redis, on_local=lambda: (local if local is not None else []).append(None))


@asynccontextmanager
async def quick_store(url: str, local: list[None]) -> AsyncIterator[RateStore]:
    async with open_quick(url) as redis:
        yield RateStore(redis, on_local=lambda: local.append(None))


@pytest.fixture
def guarded() -> Iterator[ValkeyServer]:
    """A server that wants a password."""
    folder = Path(tempfile.mkdtemp(prefix="ngw-"))
    server = ValkeyServer(folder, password="hunter2")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


async def test_up_to_the_cap_is_granted_and_no_more(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        granted = [(await store.take("k", HOURLY, 1, cap=3)).granted for _ in range(5)]
    assert granted == [True, True, True, False, False]


async def test_several_are_granted_together_or_not_at_all(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        first = await store.take("k", HOURLY, 7, cap=10)
        second = await store.take("k", HOURLY, 4, cap=10)
        third = await store.take("k", HOURLY, 3, cap=10)
    assert [taken.granted for taken in (first, second, third)] == [True, False, True]
    assert [taken.usage.count for taken in (first, second, third)] == [7, 7, 10]


async def test_replicas_count_together(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as one, patient_store(valkey.tcp_url) as other:
        assert (await one.take("k", HOURLY, 6, cap=10)).granted
        assert not (await other.take("k", HOURLY, 6, cap=10)).granted
        assert (await other.take("k", HOURLY, 4, cap=10)).usage.count == 10


async def test_a_higher_cap_finds_room_where_a_lower_one_finds_none(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        await store.take("k", HOURLY, 8, cap=8)
        assert not (await store.take("k", HOURLY, 1, cap=8)).granted
        assert (await store.take("k", HOURLY, 1, cap=10)).granted


async def test_keys_are_counted_apart(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        assert (await store.take("one", HOURLY, 3, cap=3)).granted
        assert (await store.take("other", HOURLY, 3, cap=3)).granted


async def test_who_waits_as_long_as_told_finds_room(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        for _ in range(8):
            taken = await store.take("k", EACH_SECOND, 1, cap=4)
            if not taken.granted:
                await asyncio.sleep(taken.usage.room_in(4) + 0.002)
                assert (await store.take("k", EACH_SECOND, 1, cap=4)).granted


async def test_nothing_counts_any_more_when_it_is_said_to_be_whole(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        taken = await store.take("k", EACH_SECOND, 4, cap=4)
        assert 1 < taken.usage.whole_in <= 2
        await asyncio.sleep(taken.usage.whole_in)
        assert (await store.take("k", EACH_SECOND, 4, cap=4)).granted


async def test_a_guarded_redis_counts_by_either_address(guarded: ValkeyServer) -> None:
    local: list[None] = []
    async with (
        patient_store(guarded.url, local) as one,
        patient_store(guarded.tcp_url, local) as other,
    ):
        await one.take("k", HOURLY, 6, cap=10)
        assert not (await other.take("k", HOURLY, 6, cap=10)).granted
    assert local == []


async def test_what_is_counted_goes_away_by_itself(valkey: ValkeyServer) -> None:
    async with patient_store(valkey.url) as store:
        await store.take("k", EACH_SECOND, 1, cap=4)
        await asyncio.sleep(2.1)
    assert valkey.command("DBSIZE") == b":0\r\n"


async def test_while_redis_is_away_each_replica_holds_the_rate_for_itself() -> None:
    local: list[None] = []
    async with quick_store("redis://127.0.0.1:1", local) as store:
        granted = [(await store.take("k", HOURLY, 1, cap=3)).granted for _ in range(5)]
    assert granted == [True, True, True, False, False]
    assert len(local) == 5
    assert store.away


async def test_a_silent_redis_is_waited_for_once(own_valkey: ValkeyServer) -> None:
    local: list[None] = []
    async with quick_store(own_valkey.url, local) as store:
        own_valkey.pause()
        await store.take("k", HOURLY, 1, cap=10)
        own_valkey.resume()
        # It would answer now; but nobody asks before it has been seen to be back.
        await store.take("k", HOURLY, 1, cap=10)
    assert len(local) == 2


async def test_replicas_count_together_again_once_redis_is_back(own_valkey: ValkeyServer) -> None:
    local: list[None] = []
    async with quick_store(own_valkey.url, local) as store:
        own_valkey.kill()
        await store.take("k", HOURLY, 10, cap=10)
        own_valkey.start()
        watching = asyncio.create_task(store.watch(0.01))
        while store.away:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        watching.cancel()
        assert (await store.take("k", HOURLY, 1, cap=10)).granted
    assert len(local) == 1


WINDOWS = st.builds(
    lambda per_s, before, current, part: Usage(
        per_s, before, part * per_s if before else 0.0, current, part * per_s if current else 0.0
    ),
    st.sampled_from([1, 60, 3600]),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.floats(0.001, 1),
)


def count_after(usage: Usage, seconds: float) -> int:
    """What counts later: told anew, from what a sliding window is."""
    if seconds < usage.current_left:
        left = max(0.0, usage.before_left - seconds)
        return math.floor(usage.before * left / usage.per_s) + usage.current
    if not usage.current:
        left = max(0.0, usage.before_left - seconds)
        return math.floor(usage.before * left / usage.per_s)
    left = max(0.0, usage.current_left + usage.per_s - seconds)
    return math.floor(usage.current * left / usage.per_s)


@given(WINDOWS, st.integers(1, 2000))
def test_there_is_room_when_it_is_told_and_not_before(usage: Usage, cap: int) -> None:
    wait = usage.room_in(cap)
    blink = usage.per_s * 1e-6
    assert count_after(usage, wait + blink) < cap
    if wait > blink:
        assert count_after(usage, wait - blink) >= cap


@given(WINDOWS)
def test_nothing_counts_once_all_is_whole(usage: Usage) -> None:
    assert count_after(usage, usage.whole_in) == 0
