import asyncio

import pytest

from gateway.store.redis import StoreUnavailable
from gateway.store.replays import ReplayStore
from tests.unit.store.examples import keys_of, open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

SIGNATURE, OTHER = "ab" * 32, "cd" * 32
BUY, CANCEL = "POST /v3/api/market/limit-buy", "POST /v3/api/market/cancel-order"
KEEP_MS = 60_000


async def test_a_signature_belongs_to_the_endpoint_that_saw_it_first_whichever_replica_asks(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as one, open_patient(valkey.url) as two:
        assert await ReplayStore(one).first_seen_on("k", SIGNATURE, BUY, KEEP_MS) == BUY
        for redis in (one, two):
            for endpoint in (CANCEL, BUY):
                store = ReplayStore(redis)
                assert await store.first_seen_on("k", SIGNATURE, endpoint, KEEP_MS) == BUY


async def test_another_signature_and_another_keys_are_their_own(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = ReplayStore(redis)
        assert await store.first_seen_on("k", SIGNATURE, BUY, KEEP_MS) == BUY
        assert await store.first_seen_on("k", OTHER, CANCEL, KEEP_MS) == CANCEL
        assert await store.first_seen_on("l", SIGNATURE, CANCEL, KEEP_MS) == CANCEL


async def test_of_many_at_once_one_is_the_first(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = ReplayStore(redis)
        endpoints = [f"POST /{number}" for number in range(20)]
        asked = [store.first_seen_on("k", SIGNATURE, each, KEEP_MS) for each in endpoints]
        assert len(set(await asyncio.gather(*asked))) == 1


async def test_it_is_kept_for_so_long_from_the_first_time_on(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = ReplayStore(redis)
        await store.first_seen_on("k", SIGNATURE, BUY, KEEP_MS)
        await store.first_seen_on("k", SIGNATURE, CANCEL, 10 * KEEP_MS)
        (key,) = await keys_of(redis)
        assert 0 < await redis.pttl(key) <= KEEP_MS


async def test_what_has_lapsed_belongs_to_nobody(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = ReplayStore(redis)
        await store.first_seen_on("k", SIGNATURE, BUY, 1)
        await asyncio.sleep(0.01)
        assert await store.first_seen_on("k", SIGNATURE, CANCEL, KEEP_MS) == CANCEL


async def test_redis_is_shown_no_signature(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        await ReplayStore(redis).first_seen_on("k", SIGNATURE, BUY, KEEP_MS)
        (key,) = await keys_of(redis)
        assert SIGNATURE not in f"{key!r} {await redis.get(key)!r}"


async def test_redis_that_is_away_says_so() -> None:
    async with open_quick("redis://127.0.0.1:1") as away:
        with pytest.raises(StoreUnavailable):
            await ReplayStore(away).first_seen_on("k", SIGNATURE, BUY, KEEP_MS)
