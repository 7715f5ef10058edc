"""How durable a real Valkey says it is, set up well and badly."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.services.loops import end_all
from gateway.store.durability import Durability, ServerWatch, inspect
from gateway.store.redis import StoreUnavailable, WaitAof, attempt, open_redis, reach
from tests.unit.services.examples import until
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NO_CONFIG = ("--rename-command", "CONFIG", "")
NO_WAITAOF = ("--rename-command", "WAITAOF", "")


@pytest.fixture
def stopped(own_valkey: ValkeyServer) -> ValkeyServer:
    """A server to start with options."""
    own_valkey.stop()
    return own_valkey


async def inspected(server: ValkeyServer) -> Durability:
    async with open_patient(server.url) as redis:
        return await inspect(redis)


async def started(server: ValkeyServer, *options: str) -> Durability:
    await asyncio.to_thread(server.start, *options)
    return await inspected(server)


async def found_so(server: ValkeyServer, wanted: Callable[[Durability], bool]) -> Durability:
    """What is found once it is as `wanted`: the server learns of some things by and by."""
    while True:
        found = await inspected(server)
        if wanted(found):
            return found
        await asyncio.sleep(0.02)


async def test_each_write_is_waited_for_where_the_server_can_be_waited_for(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        run_id = (await redis.info("server"))["run_id"]
        assert await inspect(redis) == Durability(None, WaitAof(1, 0), run_id)


async def test_a_replica_is_waited_for_as_long_as_there_is_one(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    assert (await inspected(own_valkey)).wait == WaitAof(1, 1)
    await asyncio.to_thread(replica.stop)
    await found_so(own_valkey, lambda found: found.wait == WaitAof(1, 0))


async def test_a_replica_takes_no_records_until_it_is_promoted(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    before = await inspected(replica)
    assert before.problem is not None
    assert "NGW_STATE_REDIS_URL" in before.problem
    replica.promote()
    assert (await inspected(replica)).problem is None


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (("--maxmemory-policy", "allkeys-lru"), "set maxmemory-policy to noeviction"),
        (("--appendonly", "no"), "set appendonly to yes"),
        (("--appendfsync", "no"), "set appendfsync to always"),
        ((*NO_WAITAOF, "--appendfsync", "everysec"), "set appendfsync to always (it is everysec)"),
        ((*NO_WAITAOF, "--no-appendfsync-on-rewrite", "yes"), "no-appendfsync-on-rewrite to no"),
        ((*NO_WAITAOF, *NO_CONFIG), "permit CONFIG GET, or WAITAOF"),
    ],
    ids=["evicts", "no-aof", "fsync-no", "everysec-unwaited", "rewrite-unwaited", "not-told"],
)
async def test_a_server_that_may_lose_records_is_told_with_the_remedy(
    stopped: ValkeyServer, options: tuple[str, ...], remedy: str
) -> None:
    found = await started(stopped, *options)
    assert found.problem is not None
    assert remedy in found.problem
    assert found.wait is None


@pytest.mark.parametrize(
    ("options", "wait"),
    [
        (("--appendfsync", "everysec"), WaitAof(1, 0)),
        (NO_CONFIG, WaitAof(1, 0)),
        (NO_WAITAOF, None),
    ],
    ids=["everysec", "config-forbidden", "always-unwaited"],
)
async def test_a_server_whose_answer_or_wait_proves_the_disk_is_durable(
    stopped: ValkeyServer, options: tuple[str, ...], wait: WaitAof | None
) -> None:
    found = await started(stopped, *options)
    assert (found.problem, found.wait) == (None, wait)


async def test_a_replica_that_cannot_be_waited_for_loses_records_when_it_takes_over(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    await asyncio.to_thread(own_valkey.stop)
    await asyncio.to_thread(own_valkey.start, *NO_WAITAOF)
    found = await found_so(own_valkey, lambda found: found.problem is not None)
    assert "when a replica takes over" in (found.problem or "")


async def test_a_server_that_still_reads_its_file_is_away_not_without_one(
    own_valkey: ValkeyServer,
) -> None:
    # While it reads it looks at its connections once in 1,024 commands.
    async with open_patient(own_valkey.url) as redis, redis.pipeline(transaction=False) as many:
        for number in range(8 * 1_024):
            many.set(str(number), "x")
        await many.execute()
    own_valkey.stop()
    slowly = ("--key-load-delay", "200")
    starting = asyncio.create_task(asyncio.to_thread(own_valkey.start, *NO_WAITAOF, *slowly))
    causes = set[str]()
    while not starting.done():
        try:
            assert (await inspected(own_valkey)).problem is None
        except StoreUnavailable as away:
            causes.add(away.cause)
        await asyncio.sleep(0)
    await starting
    assert "BusyLoadingError" in causes


async def test_every_fault_is_told_at_once(stopped: ValkeyServer) -> None:
    found = await started(stopped, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    assert found.problem is not None
    assert "noeviction" in found.problem
    assert "appendonly" in found.problem


async def test_a_server_that_failed_to_rewrite_its_file_is_told(own_valkey: ValkeyServer) -> None:
    # A folder where the next file belongs.
    (own_valkey.data / "appendonly.aof.2.incr.aof").mkdir()
    own_valkey.command("BGREWRITEAOF")
    found = await found_so(own_valkey, lambda found: found.problem is not None)
    assert "failed to rewrite its append-only file" in (found.problem or "")


def open_watched(url: str, watch: ServerWatch) -> AbstractAsyncContextManager[Redis]:
    return open_redis(
        url,
        connect_timeout=20,
        command_timeout=20,
        max_connections=4,
        on_server=watch.connected,
    )


async def test_nothing_is_known_of_a_server_before_it_was_asked(valkey: ValkeyServer) -> None:
    watch = ServerWatch()
    async with open_watched(valkey.url, watch) as redis:
        await redis.ping()
        assert watch.run_id is not None
        assert watch.durability is None
        assert watch.problem is not None
        await watch.look(redis)
        assert watch.durability == Durability(None, WaitAof(1, 0), watch.run_id)
        assert watch.problem is None


async def test_another_server_is_asked_at_once(own_valkey: ValkeyServer) -> None:
    watch = ServerWatch()
    async with open_watched(own_valkey.url, watch) as redis:
        running = asyncio.create_task(watch.run(redis, every_s=3600))
        await until(lambda: watch.durability is not None)
        first = watch.run_id
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
        await attempt(lambda: reach(redis))
        await until(lambda: watch.durability is not None)
        assert watch.run_id != first
        await end_all([running])


async def test_what_was_found_of_one_server_is_not_taken_for_true_of_the_next(
    own_valkey: ValkeyServer,
) -> None:
    watch = ServerWatch()
    async with open_watched(own_valkey.url, watch) as redis:
        await watch.look(redis)
        first = watch.run_id
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start, "--appendonly", "no")
        with capture_logs() as lines:
            await attempt(lambda: reach(redis))
        assert (watch.durability, watch.run_id != first) == (None, True)
        assert [line["event"] for line in lines] == ["journal.server_changed"]
        await watch.look(redis)
        assert watch.problem == (watch.durability or pytest.fail("not known")).problem
        assert "appendonly" in (watch.problem or "")


async def test_a_server_that_lost_its_replica_takes_no_orders_until_it_has_one_again(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    watch = ServerWatch()

    async def looked_until(wanted: Callable[[Durability], bool]) -> Durability:
        while True:
            await watch.look(redis)
            if watch.durability is not None and wanted(watch.durability):
                return watch.durability
            await asyncio.sleep(0.02)

    async with open_watched(own_valkey.url, watch) as redis:
        assert (await looked_until(lambda found: found.problem is None)).wait == WaitAof(1, 1)
        await asyncio.to_thread(replica.stop)
        alone = await looked_until(lambda found: found.wait != WaitAof(1, 1))
        assert alone.wait is None
        assert "had a replica" in (alone.problem or "")
        await asyncio.to_thread(replica.start, replica_of=own_valkey)
        assert (await looked_until(lambda found: found.problem is None)).wait == WaitAof(1, 1)


async def test_a_server_that_is_away_is_told_and_what_was_found_last_holds(
    own_valkey: ValkeyServer,
) -> None:
    watch = ServerWatch()
    async with open_watched(own_valkey.url, watch) as redis:
        await watch.look(redis)
        found = watch.durability
        await asyncio.to_thread(own_valkey.stop)
        with capture_logs() as lines:
            await watch.look(redis)
            await watch.look(redis)
        assert found is not None
        assert watch.durability == found
        assert [line["event"] for line in lines] == ["journal.problem"]
        assert watch.problem == lines[0]["problem"]
        assert "cannot be asked how durable it is" in lines[0]["problem"]
        await asyncio.to_thread(own_valkey.start)
        await watch.look(redis)
        assert watch.problem is None


async def test_a_server_that_is_away_cannot_be_inspected() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        with pytest.raises(StoreUnavailable):
            await inspect(redis)
