import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.domain.errors import RateLimited
from gateway.services.back_off import BackOff
from gateway.store.back_off import BackOffStore
from gateway.store.redis import open_redis
from tests.unit.services.examples import open_patient, turns, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def back_off(url: str, seconds: Seconds) -> AsyncIterator[BackOff]:
    """One replica's."""
    async with open_patient(url) as redis:
        yield BackOff(BackOffStore(redis), seconds)


@asynccontextmanager
async def running(replica: BackOff) -> AsyncIterator[None]:
    task = asyncio.create_task(replica.run(0.01))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def refusal(replica: BackOff) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        replica.check()
    return caught.value


async def test_calls_pass_until_the_exchange_refuses_one(valkey: ValkeyServer) -> None:
    async with back_off(valkey.url, Seconds()) as replica:
        replica.check()
        assert replica.problem is None
        replica.hit(7)
        assert refusal(replica).retry_after == 7
        assert replica.problem == ("the exchange refuses calls as too many; none for another 7.0 s")


async def test_a_cancel_passes_all_the_same(valkey: ValkeyServer) -> None:
    async with back_off(valkey.url, Seconds()) as replica:
        replica.hit(7)
        replica.check(cancel=True)


async def test_calls_pass_again_when_the_pause_is_over(valkey: ValkeyServer) -> None:
    seconds = Seconds()
    async with back_off(valkey.url, seconds) as replica:
        replica.hit(7)
        seconds.now += 7
        replica.check()


@pytest.mark.parametrize(
    ("asked", "kept"), [(0, 1), (0.2, 1), (90, 90), (1e9, 3600)], ids=["0", "0.2", "90", "1e9"]
)
async def test_a_pause_is_as_long_as_the_exchange_says_within_bounds(
    valkey: ValkeyServer, asked: float, kept: float
) -> None:
    async with back_off(valkey.url, Seconds()) as replica:
        replica.hit(asked)
        assert refusal(replica).retry_after == kept


async def test_without_a_word_of_the_exchange_pauses_double_up_to_a_minute(
    valkey: ValkeyServer,
) -> None:
    seconds = Seconds()
    async with back_off(valkey.url, seconds) as replica:
        pauses = []
        for _ in range(8):
            replica.hit(None)
            pauses.append(refusal(replica).retry_after)
            seconds.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_after_a_minute_without_refusal_the_next_pause_is_short_again(
    valkey: ValkeyServer,
) -> None:
    seconds = Seconds()
    async with back_off(valkey.url, seconds) as replica:
        for _ in range(4):
            replica.hit(None)
            seconds.now += refusal(replica).retry_after
        seconds.now += 60
        replica.hit(None)
        assert refusal(replica).retry_after == 1


async def test_refusals_of_calls_that_were_under_way_count_as_one(valkey: ValkeyServer) -> None:
    seconds = Seconds()
    async with back_off(valkey.url, seconds) as replica:
        for _ in range(5):
            replica.hit(None)
        assert refusal(replica).retry_after == 1
        seconds.now += 0.75
        replica.hit(None)
        assert refusal(replica).retry_after == 0.25
        seconds.now += 0.25
        replica.hit(None)
        assert refusal(replica).retry_after == 2


async def test_a_longer_pause_takes_the_place_of_a_shorter_one_and_not_the_reverse(
    valkey: ValkeyServer,
) -> None:
    async with back_off(valkey.url, Seconds()) as replica:
        for asked, kept in ((3, 3), (9, 9), (5, 9)):
            replica.hit(asked)
            assert refusal(replica).retry_after == kept


async def test_every_replica_pauses_when_one_is_refused(valkey: ValkeyServer) -> None:
    async with (
        back_off(valkey.url, Seconds()) as one,
        back_off(valkey.tcp_url, Seconds()) as other,
        running(one),
        running(other),
    ):
        one.hit(600)
        await until(lambda: other.seconds_left)
        assert 590 < refusal(other).retry_after <= 600


async def test_replicas_lengthen_the_next_pause_together(valkey: ValkeyServer) -> None:
    seconds = Seconds()
    async with back_off(valkey.url, seconds) as one, back_off(valkey.url, seconds) as other:
        async with running(one), running(other):
            one.hit(None)
            await until(lambda: other.seconds_left)
        seconds.now += 1.1
        other.hit(None)
        assert refusal(other).retry_after == 2


async def test_a_replica_that_starts_during_a_pause_keeps_it(valkey: ValkeyServer) -> None:
    async with back_off(valkey.url, Seconds()) as one, running(one):
        one.hit(600)
        async with back_off(valkey.url, Seconds()) as late, running(late):
            await until(lambda: late.seconds_left)


async def test_without_redis_a_replica_pauses_by_itself_and_tells_the_others_later(
    own_valkey: ValkeyServer,
) -> None:
    own_valkey.kill()
    async with (
        open_redis(
            own_valkey.url, connect_timeout=1, command_timeout=0.2, max_connections=4
        ) as redis,
        back_off(own_valkey.url, Seconds()) as other,
    ):
        replica = BackOff(BackOffStore(redis), Seconds())
        async with running(replica):
            replica.hit(600)
            await turns()
            assert refusal(replica).retry_after == 600
            own_valkey.start()
            async with running(other):
                await until(lambda: other.seconds_left)


async def test_a_pause_leaves_a_line_in_the_log_of_each_replica(valkey: ValkeyServer) -> None:
    async with (
        back_off(valkey.url, Seconds()) as one,
        back_off(valkey.url, Seconds()) as other,
    ):
        with capture_logs() as lines:
            async with running(one), running(other):
                one.hit(600)
                one.hit(600)
                await until(lambda: other.seconds_left)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "exchange.too_many",
        "exchange.too_many_elsewhere",
    ]
