import asyncio
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.store.redis import (
    BadStoreUrl,
    StoreUnavailable,
    WaitAof,
    attempt,
    open_redis,
    reach,
    run_script,
)
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

PASSWORD = "hunter2/?#"

INCREMENT = "return redis.call('INCR', KEYS[1])"


def open_watched(url: str, servers: list[str]) -> AbstractAsyncContextManager[Redis]:
    """A client that notes the server of each new connection."""
    return open_redis(
        url,
        connect_timeout=20,
        command_timeout=20,
        max_connections=4,
        on_server=servers.append,
    )


async def run_id(redis: Redis) -> str:
    return str((await redis.info("server"))["run_id"])


async def test_it_speaks_over_a_unix_socket_and_over_tcp(valkey: ValkeyServer) -> None:
    for url in (valkey.url, valkey.tcp_url):
        async with open_patient(url) as redis:
            assert await redis.ping()


async def test_a_server_that_is_not_there_is_unavailable_and_its_cause_has_a_name() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(redis.ping)
    assert raised.value.cause == "ConnectionError"
    assert str(raised.value) == "the store is away (ConnectionError)"


async def test_a_silent_server_is_unavailable(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(redis.ping)
    assert raised.value.cause == "TimeoutError"


async def test_a_command_is_tried_once_unless_more_is_asked_for() -> None:
    calls = []

    async def fail() -> None:
        calls.append(1)
        raise RedisConnectionError

    with pytest.raises(StoreUnavailable):
        await attempt(fail)
    assert len(calls) == 1
    with pytest.raises(StoreUnavailable):
        await attempt(fail, tries=2)
    assert len(calls) == 3


async def test_who_is_cancelled_is_cancelled_though_the_command_has_just_succeeded() -> None:
    begun = asyncio.Event()

    async def command() -> str:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "done"

    task = asyncio.create_task(attempt(command))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_was_cancelled_before_may_still_clear_up() -> None:
    begun, answers = asyncio.Event(), list[str]()

    async def command() -> str:
        return "cleared up"

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            answers.append(await attempt(command))

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answers == ["cleared up"]


async def test_the_library_itself_never_sends_a_command_again(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(StoreUnavailable):
            await attempt(lambda: redis.incr("n"))
        own_valkey.resume()
        assert await redis.get("n") == b"1"


async def test_an_idle_connection_that_a_restart_cut_is_replaced_unnoticed(
    own_valkey: ValkeyServer,
) -> None:
    async with open_patient(own_valkey.url) as redis:
        await redis.set("k", "v")
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
        assert await attempt(lambda: redis.get("k")) == b"v"


async def test_reach_tells_before_a_command_leaves(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        await attempt(lambda: reach(redis))
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(StoreUnavailable):
            await attempt(lambda: reach(redis))


async def test_no_error_carries_what_the_server_said() -> None:
    said = f"unknown command 'HELLO', with args beginning with: 'AUTH' '{PASSWORD}'"

    async def fail() -> None:
        raise ResponseError(said)

    with pytest.raises(StoreUnavailable) as raised:
        await attempt(fail)
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    assert PASSWORD not in repr(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}@host:6379",
        f"http://:{PASSWORD}@host",
        "redis://h:port",
        "hunter2",
        "redis://h:6379?hunter2=1",
        "redis://h:6379/hunter2",
        "redis://:hunter2@h:6379/1/2",
        "redis://:hunter2@:6379/0",
        "redis://hunter2:12#@h:6379/0",
    ],
    ids=[
        "unquoted",
        "scheme",
        "port",
        "no-url",
        "option",
        "no-database",
        "databases",
        "no-host",
        "unquoted-too",
    ],
)
async def test_a_bad_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BadStoreUrl) as raised:
        async with open_quick(url):
            pass
    assert "hunter2" not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None


async def test_a_password_shows_neither_in_the_client_nor_in_a_failure() -> None:
    async with open_redis(
        "redis://user:hunter2@127.0.0.1:1",
        connect_timeout=1,
        command_timeout=1,
        max_connections=1,
    ) as redis:
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(redis.ping)
        assert "hunter2" not in repr(redis) + repr(redis.connection_pool) + repr(raised.value)


async def test_each_new_connection_tells_which_server_it_leads_to(valkey: ValkeyServer) -> None:
    for url in (valkey.url, valkey.tcp_url, f"{valkey.tcp_url}/3"):
        servers: list[str] = []
        async with open_watched(url, servers) as redis:
            await asyncio.gather(*[redis.blpop("nothing", timeout=0.1) for _ in range(3)])
            assert servers == [await run_id(redis)] * 3


async def test_a_server_that_was_started_anew_is_told_before_a_command_reaches_it(
    own_valkey: ValkeyServer,
) -> None:
    servers: list[str] = []
    async with open_watched(own_valkey.tcp_url, servers) as redis:
        await redis.ping()
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
        await attempt(lambda: reach(redis))
        assert len(set(servers)) == len(servers) == 2
        assert await run_id(redis) == servers[-1]


async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a server that says OK to all commands, INFO among them."""
    while line := await reader.readline():
        if line.startswith(b"*"):
            writer.write(b"+OK\r\n")
    writer.close()


async def test_what_tells_no_run_id_is_unavailable() -> None:
    servers: list[str] = []
    async with await asyncio.start_server(agree, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_watched(f"redis://127.0.0.1:{port}", servers) as redis:
            with pytest.raises(StoreUnavailable):
                await attempt(lambda: redis.set("k", "v"))
    assert servers == []


async def test_a_server_that_forbids_to_ask_which_one_it_is_is_unavailable(
    own_valkey: ValkeyServer,
) -> None:
    servers: list[str] = []
    own_valkey.command("ACL", "SETUSER", "default", "-info")
    async with open_watched(own_valkey.url, servers) as redis:
        with pytest.raises(StoreUnavailable):
            await attempt(lambda: redis.set("k", "v"))
    own_valkey.command("ACL", "SETUSER", "default", "+info")
    assert own_valkey.command("EXISTS", "k") == b":0\r\n"
    assert servers == []


async def test_a_script_can_wait_for_the_disks_of_server_and_replica(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    async with open_patient(own_valkey.url) as redis:
        assert await run_script(redis, INCREMENT, ["n"], [], wait=WaitAof(1, 1)) == 1
        assert b"INCR" in replica.written()


async def test_a_write_that_a_replica_has_not_on_disk_in_time_is_unavailable(
    own_valkey: ValkeyServer, replica: ValkeyServer
) -> None:
    replica.pause()
    async with open_redis(
        own_valkey.url, connect_timeout=1, command_timeout=1, max_connections=1
    ) as redis:
        with pytest.raises(StoreUnavailable) as raised:
            await run_script(redis, INCREMENT, ["n"], [], wait=WaitAof(1, 1))
        assert raised.value.cause == "TooFewAcknowledgements"
        # It happened all the same, and for who asks for less the connection is as good as ever.
        assert await run_script(redis, INCREMENT, ["n"], [], wait=WaitAof(1, 0)) == 2


async def test_waiting_for_a_disk_that_is_never_written_is_unavailable(
    own_valkey: ValkeyServer,
) -> None:
    await asyncio.to_thread(own_valkey.stop)
    await asyncio.to_thread(own_valkey.start, "--appendonly", "no")
    async with open_patient(own_valkey.url) as redis:
        with pytest.raises(StoreUnavailable) as raised:
            await attempt(lambda: run_script(redis, INCREMENT, ["n"], [], wait=WaitAof(1, 0)))
        assert raised.value.cause == "ResponseError"


async def test_a_script_that_fails_is_unavailable_whether_it_waits_or_not(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        for wait in (None, WaitAof(1, 0)):
            with pytest.raises(StoreUnavailable) as raised:
                await attempt(lambda w=wait: run_script(redis, "nonsense(", [], [], wait=w))  # type: ignore[misc]
            assert raised.value.cause == "ResponseError"
