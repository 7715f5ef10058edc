import asyncio

import pytest

from gateway.store.back_off import BackOffStore, Pause
from gateway.store.redis import StoreUnavailable
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_there_is_no_pause_until_somebody_asks_for_one(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        assert await BackOffStore(redis).current() is None


async def test_a_pause_is_seen_by_every_replica(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as one, open_patient(valkey.tcp_url) as other:
        await BackOffStore(one).lengthen(Pause(60_000, 3))
        seen = await BackOffStore(other).current()
    assert seen is not None
    assert seen.step == 3
    assert 0 < seen.left_ms <= 60_000


@pytest.mark.parametrize("lengths", [(60_000, 600_000), (600_000, 60_000)], ids=["up", "down"])
async def test_of_two_pauses_the_one_that_ends_later_stands(
    valkey: ValkeyServer, lengths: tuple[int, int]
) -> None:
    async with open_patient(valkey.url) as redis:
        store = BackOffStore(redis)
        for length in lengths:
            await store.lengthen(Pause(length, 1))
        seen = await store.current()
    assert seen is not None
    assert 60_000 < seen.left_ms <= 600_000


async def test_a_pause_ends_by_itself(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = BackOffStore(redis)
        await store.lengthen(Pause(20, 1))
        await asyncio.sleep(0.05)
        assert await store.current() is None


async def test_without_redis_nobody_is_told() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        store = BackOffStore(redis)
        with pytest.raises(StoreUnavailable):
            await store.lengthen(Pause(1000, 1))
        with pytest.raises(StoreUnavailable):
            await store.current()
