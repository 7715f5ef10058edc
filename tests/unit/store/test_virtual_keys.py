"""Entries of virtual keys in Redis: for all replicas, for ever, and gone at once."""

import asyncio

import pytest

from gateway.store.redis import StoreUnavailable
from gateway.store.virtual_keys import KEY, VirtualKeyStore
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_what_one_replica_adds_another_finds_until_it_is_removed(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as one, open_patient(valkey.url) as other:
        adding, reading = VirtualKeyStore(one), VirtualKeyStore(other)
        assert await reading.all() == {}
        await adding.add("ab", b"one")
        await adding.add("cd", b"two")
        assert await reading.find("ab") == b"one"
        assert await reading.all() == {"ab": b"one", "cd": b"two"}
        await adding.remove("ab")
        assert await reading.find("ab") is None
        assert await reading.all() == {"cd": b"two"}


async def test_an_entry_never_expires_and_outlives_a_restart(own_valkey: ValkeyServer) -> None:
    async with open_patient(own_valkey.url) as redis:
        await VirtualKeyStore(redis).add("ab", b"one")
        assert await redis.ttl(KEY) == -1
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        assert await VirtualKeyStore(redis).find("ab") == b"one"


async def test_an_entry_is_replaced_only_while_it_stands_as_it_was(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = VirtualKeyStore(redis)
        await store.add("ab", b"one")
        assert await store.replace("ab", b"one", b"resealed")
        assert not await store.replace("ab", b"one", b"late")
        assert await store.find("ab") == b"resealed"
        await store.remove("ab")
        assert not await store.replace("ab", b"resealed", b"late")
        assert await store.all() == {}


async def test_with_redis_away_everything_says_so(own_valkey: ValkeyServer) -> None:
    own_valkey.pause()
    async with open_quick(own_valkey.url) as redis:
        store = VirtualKeyStore(redis)
        for call in (
            store.find("ab"),
            store.all(),
            store.add("ab", b"one"),
            store.replace("ab", b"one", b"two"),
            store.remove("ab"),
        ):
            with pytest.raises(StoreUnavailable):
                await call
