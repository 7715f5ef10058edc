import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.market import MarketKey, MarketKind, Version
from gateway.store.breaker import Breaker
from gateway.store.market_cache import CacheFault, CacheWrite, MarketCache, Stored
from gateway.store.market_codec import key_name
from tests.unit.store.examples import BTC, open_patient, open_quick, ticker
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

MINUTE = 60_000
ETH = MarketKey(MarketKind.TICKER, "ETHUSDT")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def cache_of(
    redis: Redis, faults: list[CacheFault] | None = None, clock: Callable[[], float] | None = None
) -> MarketCache:
    return MarketCache(
        redis,
        breaker=Breaker(failures=2, pause_s=5, clock=clock or Clock()),
        count=(faults if faults is not None else []).append,
        wall_ms=lambda: 1_000_000,
    )


@asynccontextmanager
async def patient_cache(
    valkey: ValkeyServer, faults: list[CacheFault] | None = None
) -> AsyncIterator[tuple[MarketCache, Redis]]:
    async with open_patient(valkey.url) as redis:
        yield cache_of(redis, faults), redis


def write(last: str, version: Version = Version(), *, key: MarketKey = BTC) -> CacheWrite:  # noqa: B008 - frozen
    return CacheWrite(key, ticker(last), as_of=7, version=version, ttl_ms=MINUTE)


async def test_what_was_written_is_read_in_the_order_asked_for(valkey: ValkeyServer) -> None:
    async with patient_cache(valkey) as (cache, _):
        assert await cache.write([write("1.50", Version(3, 4))]) == 0
        assert await cache.read([ETH, BTC]) == [None, Stored(ticker("1.50"), 7, Version(3, 4))]


async def test_nothing_asked_is_nothing_done() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        faults: list[CacheFault] = []
        cache = cache_of(redis, faults)
        assert await cache.read([]) == []
        assert await cache.write([]) == 0
    assert faults == []


async def test_a_value_goes_after_its_time(valkey: ValkeyServer) -> None:
    async with patient_cache(valkey) as (cache, redis):
        await cache.write([write("1")])
        assert 0 < await redis.pttl(key_name(BTC)) <= MINUTE


@pytest.mark.parametrize(
    ("second", "dropped"),
    [
        (Version(5, 4), 1),
        (Version(4, 99), 1),
        (Version(0, 0), 1),
        (Version(5, 5), 0),
        (Version(5, 10), 0),
        (Version(10, 0), 0),
        (Version(1_800_000_000_001, 0), 0),
    ],
    ids=str,
)
async def test_a_write_older_than_what_stands_is_dropped(
    valkey: ValkeyServer, second: Version, dropped: int
) -> None:
    async with patient_cache(valkey) as (cache, _):
        await cache.write([write("1", Version(5, 5))])
        assert await cache.write([write("2", second), write("3", second, key=ETH)]) == dropped
        (stored, other) = await cache.read([BTC, ETH])
    assert stored is not None
    assert stored.value == ticker("1" if dropped else "2")
    assert other is not None


async def test_large_epochs_are_compared_exactly(valkey: ValkeyServer) -> None:
    async with patient_cache(valkey) as (cache, _):
        await cache.write([write("1", Version(1_800_000_000_002, 1))])
        assert await cache.write([write("2", Version(1_800_000_000_001, 2**50))]) == 1


async def test_racing_writers_leave_the_newest(valkey: ValkeyServer) -> None:
    versions = [Version(epoch, counter) for epoch in range(10) for counter in range(20)]
    random.Random(1).shuffle(versions)
    async with patient_cache(valkey) as (cache, _):
        dropped = await asyncio.gather(
            *(cache.write([write(f"{v.epoch}.{v.counter}", v)]) for v in versions)
        )
        (stored,) = await cache.read([BTC])
    assert stored is not None
    assert stored.version == Version(9, 19)
    assert stored.value == ticker("9.19")
    assert sum(dropped) > 0


async def test_a_corrupt_value_is_a_miss_that_is_counted_and_overwritten(
    valkey: ValkeyServer,
) -> None:
    faults: list[CacheFault] = []
    async with patient_cache(valkey, faults) as (cache, redis):
        await redis.set(key_name(BTC), b"\xffgarbage")
        await cache.write([write("9", key=ETH)])
        assert [stored is None for stored in await cache.read([BTC, ETH])] == [True, False]
        assert faults == [CacheFault.CORRUPT]
        assert await cache.write([write("1")]) == 0
        assert await cache.read([BTC]) == [Stored(ticker("1"), 7, Version())]


async def test_a_key_of_another_type_is_a_miss_and_overwritten(valkey: ValkeyServer) -> None:
    faults: list[CacheFault] = []
    async with patient_cache(valkey, faults) as (cache, redis):
        await redis.rpush(key_name(BTC), "a", "b")
        assert await cache.read([BTC]) == [None]
        assert await cache.write([write("1")]) == 0
        assert await cache.read([BTC]) == [Stored(ticker("1"), 7, Version())]
    assert faults == []


async def test_epochs_rise_for_every_replica(valkey: ValkeyServer) -> None:
    async with patient_cache(valkey) as (one, _), patient_cache(valkey) as (other, _):
        epochs = await asyncio.gather(*(c.next_epoch() for c in (one, other) for _ in range(20)))
    assert sorted(epochs) == list(range(1_000_000, 1_000_040))


async def test_an_epoch_never_falls_below_what_redis_gave_before(valkey: ValkeyServer) -> None:
    async with patient_cache(valkey) as (cache, redis):
        await redis.set("ngw:1:market-epoch", 1_800_000_000_000)
        assert await cache.next_epoch() == 1_800_000_000_001
        assert await cache.next_epoch() == 1_800_000_000_002


async def test_with_redis_away_reads_miss_writes_drop_and_epochs_come_from_the_clock() -> None:
    faults: list[CacheFault] = []
    async with open_quick("redis://127.0.0.1:1") as redis:
        cache = cache_of(redis, faults)
        assert await cache.read([BTC, ETH]) == [None, None]
        assert await cache.write([write("1")]) == 0
        assert await cache.next_epoch() == 1_000_000
    assert faults == [CacheFault.READ, CacheFault.WRITE, CacheFault.EPOCH]


async def test_an_outage_is_logged_once_at_each_end_and_mended_by_one_probe(
    own_valkey: ValkeyServer,
) -> None:
    clock, faults = Clock(), list[CacheFault]()
    async with open_quick(own_valkey.url) as redis:
        cache = cache_of(redis, faults, clock)
        with capture_logs() as logs:
            await cache.write([write("1")])
            own_valkey.stop()
            for _ in range(10):
                assert await cache.read([BTC]) == [None]
            own_valkey.start()
            assert await cache.read([BTC]) == [None], "held back until the pause is over"
            clock.now = 5.0
            assert await cache.read([BTC]) == [Stored(ticker("1"), 7, Version())]
    assert [entry["event"] for entry in logs] == ["market_cache.away", "market_cache.back"]
    assert faults == [CacheFault.READ] * 11


async def test_an_open_breaker_asks_a_silent_server_nothing(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        cache = cache_of(redis)
        await cache.next_epoch()
        own_valkey.pause()
        for _ in range(2):
            await cache.next_epoch()
        for _ in range(50):
            await cache.next_epoch()
        own_valkey.resume()
        # The second call died connecting, and the 50 never left.
        assert await redis.get("ngw:1:market-epoch") in (b"1000000", b"1000001", b"1000002")


async def test_a_full_redis_drops_the_write_and_raises_nothing(own_valkey: ValkeyServer) -> None:
    faults: list[CacheFault] = []
    async with open_patient(own_valkey.url) as redis:
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        assert await cache_of(redis, faults).write([write("1")]) == 0
    assert faults == [CacheFault.WRITE]


async def test_a_watch_notices_an_end_and_a_return_though_nobody_asks(
    own_valkey: ValkeyServer,
) -> None:
    clock, faults = Clock(), list[CacheFault]()
    async with open_quick(own_valkey.url) as redis:
        cache = cache_of(redis, faults, clock)
        watching = asyncio.create_task(cache.watch(0.01))
        own_valkey.stop()
        while cache.available:  # noqa: ASYNC110 - the cache offers no event
            await asyncio.sleep(0.01)
        own_valkey.start()
        clock.now = 5.0
        while not cache.available:  # noqa: ASYNC110 - the cache offers no event
            await asyncio.sleep(0.01)
        watching.cancel()
    assert set(faults) == {CacheFault.PROBE}
