"""Leases in a real Valkey, by its clock."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.domain.leadership import Leadership
from gateway.store.leases import AccountLeases, leader_key
from gateway.store.redis import StoreUnavailable
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

LONG_MS = 60_000


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


@pytest.fixture
def leases(redis: Redis) -> AccountLeases:
    return AccountLeases(redis)


async def led(leases: AccountLeases, owner: str, ttl_ms: int = LONG_MS) -> Leadership:
    leadership = await leases.acquire("demo", owner, ttl_ms)
    assert leadership is not None
    return leadership


async def lapse(redis: Redis) -> None:
    await redis.hset(leader_key("demo"), "until", "1")


async def test_one_at_a_time_leads_an_account(leases: AccountLeases) -> None:
    asked = [leases.acquire("demo", f"owner-{number}", LONG_MS) for number in range(20)]
    leaderships = await asyncio.gather(*asked)
    assert len([each for each in leaderships if each is not None]) == 1


async def test_accounts_have_leaders_and_epochs_of_their_own(leases: AccountLeases) -> None:
    await led(leases, "one")
    assert await leases.acquire("other", "two", LONG_MS) == Leadership("other", "two", 1)


async def test_every_leadership_has_a_higher_epoch_than_those_before_however_they_ended(
    leases: AccountLeases, redis: Redis
) -> None:
    first = await led(leases, "one")
    await lapse(redis)
    second = await led(leases, "two")
    await leases.release(second)
    third = await led(leases, "one")
    assert (first.epoch, second.epoch, third.epoch) == (1, 2, 3)


async def test_an_owner_whose_answer_was_lost_leads_under_the_next_epoch(
    leases: AccountLeases,
) -> None:
    lost = await led(leases, "one")
    again = await led(leases, "one")
    assert again.epoch == lost.epoch + 1
    assert not await leases.renew(lost, LONG_MS)
    assert await leases.renew(again, LONG_MS)


async def test_a_lease_lapses_by_the_clock_of_redis(leases: AccountLeases) -> None:
    await led(leases, "one", 1)
    await asyncio.sleep(0.01)
    assert await leases.acquire("demo", "two", LONG_MS) == Leadership("demo", "two", 2)


async def test_renewing_holds_the_account_for_so_long_from_now(
    leases: AccountLeases, redis: Redis
) -> None:
    leadership = await led(leases, "one", LONG_MS)
    assert await leases.renew(leadership, 2 * LONG_MS)
    seconds, _ = await redis.time()
    until = int(await redis.hget(leader_key("demo"), "until") or 0)
    assert until > seconds * 1000 + LONG_MS


async def test_what_has_lapsed_is_not_renewed_even_if_nobody_else_leads(
    leases: AccountLeases, redis: Redis
) -> None:
    leadership = await led(leases, "one")
    await lapse(redis)
    assert not await leases.renew(leadership, LONG_MS)


async def test_who_has_been_followed_by_another_neither_renews_nor_releases(
    leases: AccountLeases, redis: Redis
) -> None:
    old = await led(leases, "one")
    await lapse(redis)
    new = await led(leases, "two")
    assert not await leases.renew(old, LONG_MS)
    await leases.release(old)
    assert await leases.renew(new, LONG_MS)


async def test_an_epoch_that_a_failover_gave_out_twice_is_still_one_owners(
    leases: AccountLeases, redis: Redis
) -> None:
    lost = await led(leases, "one")
    await redis.delete(leader_key("demo"))
    assert (await led(leases, "two")).epoch == lost.epoch
    assert not await leases.renew(lost, LONG_MS)


async def test_redis_that_is_away_gives_and_renews_no_lease() -> None:
    async with open_quick("redis://127.0.0.1:1") as away:
        leases = AccountLeases(away)
        with pytest.raises(StoreUnavailable):
            await leases.acquire("demo", "one", LONG_MS)
        with pytest.raises(StoreUnavailable):
            await leases.renew(Leadership("demo", "one", 1), LONG_MS)
        with pytest.raises(StoreUnavailable):
            await leases.release(Leadership("demo", "one", 1))
