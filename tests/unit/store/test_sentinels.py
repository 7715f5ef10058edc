"""A client of the master that real Sentinels name."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.store.redis import BadStoreUrl, StoreUnavailable, attempt, open_redis
from tests.processes import eventually
from tests.sentinel import SERVICE, SentinelServer
from tests.unit.store.examples import open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOBODY = "127.0.0.1:1"


@pytest.fixture
def sentinel(
    tmp_path: Path, own_valkey: ValkeyServer, replica: ValkeyServer
) -> Iterator[SentinelServer]:
    server = SentinelServer(tmp_path, own_valkey)
    try:
        server.start()
        assert eventually(lambda: server.knows(replicas=1, others=0))
        yield server
    finally:
        server.stop()


async def test_it_reaches_the_master_by_whichever_sentinel_answers(
    sentinel: SentinelServer, own_valkey: ValkeyServer
) -> None:
    url = f"redis+sentinel://{NOBODY},127.0.0.1:{sentinel.port}/{SERVICE}/3"
    async with open_quick(url) as redis, open_quick(f"{own_valkey.tcp_url}/3") as master:
        await attempt(lambda: redis.set("k", "v"))
        assert await master.get("k") == b"v"


async def test_after_a_failover_it_writes_to_the_new_master_and_tells_which_server_that_is(
    sentinel: SentinelServer, own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    servers: list[str] = []
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}"
    async with (
        open_redis(
            url, connect_timeout=5, command_timeout=5, max_connections=4, on_server=servers.append
        ) as redis,
        open_quick(replica.tcp_url) as promoted,
        open_quick(own_valkey.tcp_url) as before,
    ):
        ids = [str((await each.info("server"))["run_id"]) for each in (before, promoted)]
        await redis.set("k", "before")
        assert servers == ids[:1]
        await asyncio.to_thread(sentinel.failover)
        while servers[-1] != ids[1]:
            with suppress(StoreUnavailable):
                await attempt(lambda: redis.set("k", "during"))
            await asyncio.sleep(0.01)
        await redis.set("k", "after")
        assert await promoted.get("k") == b"after"
    assert list(dict.fromkeys(servers)) == ids


async def test_without_a_sentinel_that_answers_the_store_is_away() -> None:
    async with open_quick(f"redis+sentinel://{NOBODY},{NOBODY}/{SERVICE}") as redis:
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(redis.ping)
    assert raised.value.cause == "MasterNotFoundError"


async def test_a_service_that_the_sentinels_do_not_know_is_away(sentinel: SentinelServer) -> None:
    async with open_quick(f"redis+sentinel://127.0.0.1:{sentinel.port}/another") as redis:
        with pytest.raises(StoreUnavailable):
            await attempt(redis.ping)


@pytest.mark.parametrize(
    "rest",
    [
        "host:1",
        "host:1/",
        "host:port/trading",
        "/trading",
        "host,/trading",
        "host/t/x",
        "host/t?o=1",
    ],
)
async def test_an_address_without_sentinels_or_service_is_refused_without_showing_it(
    rest: str,
) -> None:
    with pytest.raises(BadStoreUrl) as raised:
        async with open_quick(f"redis+sentinel://:hunter2@{rest}"):
            pass
    assert "hunter2" not in str(raised.value) + repr(raised.value)


async def test_passwords_go_to_those_they_are_for_and_show_nowhere() -> None:
    url = f"rediss+sentinel://u:hunter2@{NOBODY}/{SERVICE}/2?sentinel_password=hunter3"
    async with open_quick(url) as redis:
        given = redis.connection_pool.connection_kwargs
        assert (given["username"], given["password"], given["db"]) == ("u", "hunter2", 2)
        assert "sentinel_password" not in given
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(redis.ping)
        shown = repr(redis) + repr(redis.connection_pool) + repr(raised.value) + str(raised.value)
        assert "hunter" not in shown
