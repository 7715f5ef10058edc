"""Dead-man switches in a real Valkey, by its clock."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.store.dead_man import DeadManStore, Lapse
from gateway.store.redis import StoreUnavailable
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

LONG_MS, SHORT_MS = 60_000, 1
BEYOND_MS = 30


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> DeadManStore:
    return DeadManStore(redis)


async def time_of(redis: Redis) -> int:
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def lapsing(store: DeadManStore, principal: str = "app") -> int:
    """Let a switch lapse; return when it does."""
    armed = await store.arm("demo", principal, SHORT_MS)
    await asyncio.sleep(BEYOND_MS / 1000)
    return armed.expires_at


async def test_a_switch_stands_for_its_span_by_the_clock_of_redis(
    store: DeadManStore, redis: Redis
) -> None:
    before = await time_of(redis)
    armed = await store.arm("demo", "app", LONG_MS)
    assert before + LONG_MS <= armed.expires_at <= await time_of(redis) + LONG_MS
    assert await store.standing("demo", "app") == armed.expires_at
    assert await store.lapsed("demo") == ()


async def test_arming_again_puts_it_off(store: DeadManStore) -> None:
    first = await store.arm("demo", "app", LONG_MS)
    second = await store.arm("demo", "app", 2 * LONG_MS)
    assert (first.renewed, second.renewed) == (False, True)
    assert await store.standing("demo", "app") == second.expires_at


async def test_accounts_and_principals_have_switches_of_their_own(store: DeadManStore) -> None:
    await store.arm("demo", "app", LONG_MS)
    assert await store.standing("demo", "other") is None
    assert await store.standing("other", "app") is None


async def test_what_lapses_stands_no_more_and_waits_to_be_carried_out(store: DeadManStore) -> None:
    at = await lapsing(store)
    assert await store.standing("demo", "app") is None
    assert await store.lapsed("demo") == (Lapse("app", at, None),)
    assert await store.lapsed("demo") == (Lapse("app", at, None),)


async def test_a_principal_s_lapse_is_seen_until_it_is_carried_out(store: DeadManStore) -> None:
    await store.arm("demo", "app", LONG_MS)
    assert await store.lapse("demo", "app") is None
    at = await lapsing(store)
    assert await store.lapse("demo", "app") == Lapse("app", at, None)
    await store.lapsed("demo")
    again = await store.arm("demo", "app", LONG_MS)
    [lapse] = await store.lapsed("demo")
    assert again.expires_at > at
    assert await store.lapse("demo", "app") == lapse
    assert await store.carried_out("demo", lapse)
    assert await store.lapse("demo", "app") is None


async def test_what_is_carried_out_is_forgotten(store: DeadManStore) -> None:
    await lapsing(store)
    [lapse] = await store.lapsed("demo")
    assert await store.carried_out("demo", lapse)
    assert await store.lapsed("demo") == ()
    assert not await store.carried_out("demo", lapse)


async def test_a_switch_that_is_disarmed_never_lapses(store: DeadManStore) -> None:
    await store.arm("demo", "app", LONG_MS)
    assert await store.disarm("demo", "app")
    assert await store.standing("demo", "app") is None
    assert not await store.disarm("demo", "app")


@pytest.mark.parametrize("seen", [True, False])
async def test_a_lapse_stands_though_the_principal_arms_anew(
    store: DeadManStore, *, seen: bool
) -> None:
    at = await lapsing(store)
    if seen:
        await store.lapsed("demo")
    armed = await store.arm("demo", "app", LONG_MS)
    assert not armed.renewed
    [lapse] = await store.lapsed("demo")
    assert (lapse.lapsed_at, lapse.back_at) == (at, armed.expires_at - LONG_MS)
    assert await store.standing("demo", "app") == armed.expires_at


async def test_a_lapse_stands_though_the_principal_disarms(store: DeadManStore) -> None:
    at = await lapsing(store)
    assert not await store.disarm("demo", "app")
    [lapse] = await store.lapsed("demo")
    assert lapse.lapsed_at == at
    assert lapse.back_at is not None


async def test_the_first_sign_of_the_principal_after_a_lapse_counts(store: DeadManStore) -> None:
    await lapsing(store)
    await store.arm("demo", "app", LONG_MS)
    first = await store.lapsed("demo")
    await asyncio.sleep(BEYOND_MS / 1000)
    await store.arm("demo", "app", LONG_MS)
    assert await store.lapsed("demo") == first


async def test_a_lapse_that_another_one_followed_is_not_forgotten_with_the_first(
    store: DeadManStore,
) -> None:
    await lapsing(store)
    [first] = await store.lapsed("demo")
    again = await lapsing(store)
    [second] = await store.lapsed("demo")
    assert second == Lapse("app", again, None)
    assert not await store.carried_out("demo", first)
    assert await store.lapsed("demo") == (second,)


async def test_a_lapse_is_not_forgotten_as_it_was_before_the_principal_came_back(
    store: DeadManStore,
) -> None:
    await lapsing(store)
    [before] = await store.lapsed("demo")
    await store.arm("demo", "app", LONG_MS)
    assert not await store.carried_out("demo", before)


async def test_each_of_many_that_lapse_waits(store: DeadManStore) -> None:
    names = {f"app {number}" for number in range(20)}
    await asyncio.gather(*(lapsing(store, name) for name in names))
    assert {lapse.principal for lapse in await store.lapsed("demo")} == names


async def test_switches_survive_a_restart_of_redis(own_valkey: ValkeyServer) -> None:
    async with open_patient(own_valkey.url) as redis:
        store = DeadManStore(redis)
        armed = await store.arm("demo", "app", LONG_MS)
        at = await lapsing(store, "silent")
        await store.lapsed("demo")
    await asyncio.to_thread(own_valkey.kill)
    await asyncio.to_thread(own_valkey.start)
    async with open_patient(own_valkey.url) as redis:
        store = DeadManStore(redis)
        assert await store.standing("demo", "app") == armed.expires_at
        assert await store.lapsed("demo") == (Lapse("silent", at, None),)


async def test_without_redis_nothing_is_said_to_stand(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        store = DeadManStore(redis)
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(StoreUnavailable):
            await store.arm("demo", "app", LONG_MS)
