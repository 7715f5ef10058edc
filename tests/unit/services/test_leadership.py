import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.leadership import Leadership
from gateway.services.leadership import AccountLeaders
from gateway.services.loops import end_all
from gateway.store.leases import AccountLeases
from gateway.store.redis import open_redis
from tests.unit.services.examples import open_patient, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


class Work:
    """A duty: who is at it, and under which epochs it was begun."""

    def __init__(self, faults: int = 0) -> None:
        self.under_way: set[Leadership] = set()
        self.begun: list[Leadership] = []
        self._faults = faults

    async def __call__(self, leadership: Leadership) -> None:
        self.begun.append(leadership)
        self.under_way.add(leadership)
        try:
            if len(self.begun) <= self._faults:
                raise LookupError
            await asyncio.Event().wait()
        finally:
            self.under_way.remove(leadership)


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as redis:
        yield redis


class Replica:
    """A process that leads what it can; `accounts` may change."""

    def __init__(self, redis: Redis, owner: str, work: Work, ttl_s: float) -> None:
        self.accounts = ["desk"]
        self.failed: list[str] = []
        self.server = "one"
        self.leaders = AccountLeaders(
            leases=AccountLeases(redis),
            owner=owner,
            ttl_s=ttl_s,
            duties={"work": work},
            server=lambda: self.server,
            on_failed=self.failed.append,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.leaders.run(lambda: self.accounts))

    async def stop(self) -> None:
        if self._task is not None:
            await end_all([self._task])


@asynccontextmanager
async def replica_of(
    redis: Redis, owner: str, work: Work, ttl_s: float = 30
) -> AsyncIterator[Replica]:
    replica = Replica(redis, owner, work, ttl_s)
    replica.start()
    try:
        yield replica
    finally:
        await replica.stop()


async def test_one_replica_of_several_does_the_duties(redis: Redis) -> None:
    first, second = Work(), Work()
    async with replica_of(redis, "a", first) as a:
        await until(lambda: first.under_way)
        async with replica_of(redis, "b", second, ttl_s=0.03) as b:
            await asyncio.sleep(0.1)
            assert a.leaders.leads("desk")
            assert not b.leaders.leads("desk")
            assert second.begun == []


async def test_a_replica_that_stops_hands_over_at_once(redis: Redis) -> None:
    first, second = Work(), Work()
    async with replica_of(redis, "a", first) as a:
        await until(lambda: first.under_way)
        async with replica_of(redis, "b", second, ttl_s=0.3):
            await a.stop()
            assert first.under_way == set()
            await until(lambda: second.under_way)
            assert not a.leaders.leads("desk")
    assert [each.epoch for each in first.begun + second.begun] == [1, 2]


async def test_a_leader_holds_its_lease_for_longer_than_its_time(redis: Redis) -> None:
    work = Work()
    async with replica_of(redis, "a", work, ttl_s=0.5):
        await until(lambda: work.under_way)
        await asyncio.sleep(1.2)
        assert [each.epoch for each in work.begun] == [1]


async def test_who_lost_its_lease_stops_and_tries_again(redis: Redis) -> None:
    work = Work()
    async with replica_of(redis, "a", work, ttl_s=0.3):
        await until(lambda: work.under_way)
        await AccountLeases(redis).release(work.begun[0])
        await until(lambda: len(work.begun) == 2)
        assert {each.epoch for each in work.under_way} == {2}


async def test_a_leader_that_cannot_reach_redis_ends_its_duties_in_its_lease(
    own_valkey: ValkeyServer,
) -> None:
    work = Work()
    async with (
        open_redis(
            own_valkey.url, connect_timeout=5, command_timeout=5, max_connections=4
        ) as redis,
        replica_of(redis, "a", work, ttl_s=0.6) as replica,
    ):
        await until(lambda: work.under_way)
        own_valkey.pause()
        await until(lambda: not work.under_way)
        assert not replica.leaders.leads("desk")
        own_valkey.resume()
        await until(lambda: work.under_way)


async def test_duties_follow_the_accounts(redis: Redis) -> None:
    work = Work()
    async with replica_of(redis, "a", work, ttl_s=0.1) as replica:
        replica.accounts = ["desk", "vault"]
        await until(lambda: {each.account for each in work.under_way} == {"desk", "vault"})
        replica.accounts = ["vault"]
        await until(lambda: {each.account for each in work.under_way} == {"vault"})
        assert not replica.leaders.leads("desk")


async def test_a_duty_that_fails_is_logged_and_told_and_begun_again(redis: Redis) -> None:
    work = Work(faults=1)
    with capture_logs() as lines:
        async with replica_of(redis, "a", work) as replica:
            await until(lambda: work.under_way and len(work.begun) == 2)
    assert [each["loop"] for each in lines if each["event"] == "loop.failed"] == ["work of desk"]
    assert replica.failed == ["work"]
    assert [each.epoch for each in work.begun] == [1, 1]


async def test_on_another_server_the_duties_begin_anew_though_the_lease_stands(
    redis: Redis,
) -> None:
    work = Work()
    async with replica_of(redis, "a", work, ttl_s=0.3) as a:
        await until(lambda: work.under_way)
        a.server = "another"
        await until(lambda: len(work.begun) > 1 and work.under_way)
        assert work.begun[1].epoch == work.begun[0].epoch + 1
