import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import NotRecorded
from gateway.domain.virtual_keys import VirtualKey
from gateway.services.replay_guard import MOST_REMEMBERED, ReplayGuard
from gateway.store.redis import open_redis
from gateway.store.replays import ReplayStore
from tests.unit.services.examples import open_patient
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

KEY = VirtualKey("k", "app", "demo", 1)
GOOD_MS = 61_000
SIGNATURE = "ab" * 32
BUY, SELL = "POST /v3/api/market/limit-buy", "POST /v3/api/market/limit-sell"
CANCEL = "POST /v3/api/market/cancel-order"


def open_impatient(url: str) -> AbstractAsyncContextManager[Redis]:
    return open_redis(url, connect_timeout=1, command_timeout=1, max_connections=4)


def guard_of(redis: Redis) -> ReplayGuard:
    return ReplayGuard(ReplayStore(redis), GOOD_MS)


async def order(guard: ReplayGuard, endpoint: str = BUY, signature: str = SIGNATURE) -> None:
    await guard.admit(KEY, signature, endpoint, may_pass_when_away=False)


async def cancel(guard: ReplayGuard, endpoint: str = CANCEL, signature: str = SIGNATURE) -> None:
    await guard.admit(KEY, signature, endpoint, may_pass_when_away=True)


async def time_of(redis: Redis) -> int:
    seconds, microseconds = await redis.time()
    return seconds * 1000 + microseconds // 1000


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


@pytest.fixture
async def away() -> AsyncIterator[Redis]:
    async with open_impatient("redis://127.0.0.1:1") as client:
        yield client


async def test_the_same_request_again_passes_on_its_endpoint_at_every_replica(redis: Redis) -> None:
    one, two = guard_of(redis), guard_of(redis)
    for guard in (one, two, one):
        await order(guard)


async def test_on_another_endpoint_it_proves_nothing_at_any_replica(redis: Redis) -> None:
    one, two = guard_of(redis), guard_of(redis)
    await order(one)
    for guard in (one, two):
        for attempt in (order(guard, SELL), cancel(guard)):
            with pytest.raises(NotProven) as refused:
                await attempt
            assert (refused.value.cause, refused.value.key) == (Cause.REPLAYED, KEY)


async def test_a_replay_elsewhere_takes_nothing_from_the_request_itself(redis: Redis) -> None:
    one, two = guard_of(redis), guard_of(redis)
    await order(one)
    with pytest.raises(NotProven):
        await order(two, SELL)
    await order(two)


async def test_of_two_endpoints_at_once_one_gets_it(redis: Redis) -> None:
    one, two = guard_of(redis), guard_of(redis)
    asked = (order(one), order(two, SELL), order(one, SELL), order(two))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    passed = [outcome is None for outcome in outcomes]
    assert passed in ([True, False, False, True], [False, True, True, False])


async def test_a_replay_is_logged_without_its_signature(redis: Redis) -> None:
    guard = guard_of(redis)
    with capture_logs() as logs:
        await order(guard)
        with pytest.raises(NotProven):
            await cancel(guard)
    assert [(line["event"], line["endpoint"], line["seen_on"]) for line in logs] == [
        ("replay.refused", CANCEL, BUY)
    ]
    assert SIGNATURE not in str(logs)


async def test_it_is_kept_for_as_long_as_it_can_be_good_and_a_little_longer(redis: Redis) -> None:
    before = await time_of(redis)
    await order(guard_of(redis))
    after = await time_of(redis)
    (key,) = [key async for key in redis.scan_iter("*")]
    assert before + 63_000 <= await redis.pexpiretime(key) <= after + 63_000


async def test_while_redis_is_away_no_order_passes(away: Redis) -> None:
    guard = guard_of(away)
    with pytest.raises(NotRecorded):
        await order(guard)


async def test_while_redis_is_away_a_cancel_passes_unless_this_process_saw_it_elsewhere(
    away: Redis,
) -> None:
    guard = guard_of(away)
    await cancel(guard)
    await cancel(guard)
    with pytest.raises(NotProven):
        await cancel(guard, "POST /v3/api/market/cancel-another")


async def test_what_was_seen_before_redis_went_away_is_remembered(
    own_valkey: ValkeyServer,
) -> None:
    async with open_impatient(own_valkey.url) as redis:
        guard = guard_of(redis)
        await order(guard)
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(NotProven):
            await cancel(guard)
        await cancel(guard, CANCEL, "cd" * 32)


async def test_what_redis_has_forgotten_this_process_has_not(
    redis: Redis, valkey: ValkeyServer
) -> None:
    guard = guard_of(redis)
    await order(guard)
    valkey.command("FLUSHALL")
    with pytest.raises(NotProven):
        await order(guard, SELL)


async def test_a_process_remembers_a_bounded_number_the_newest(away: Redis) -> None:
    guard = guard_of(away)
    for number in range(MOST_REMEMBERED + 1):
        await cancel(guard, CANCEL, f"{number:064x}")
    with pytest.raises(NotProven):
        await cancel(guard, SELL, f"{1:064x}")
    await cancel(guard, SELL, f"{0:064x}")
