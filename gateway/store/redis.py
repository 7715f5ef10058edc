"""Opening Redis, and the one boundary at which its failures become `StoreUnavailable`.

The library retries nothing by itself: what may be tried again is decided where it is called.
Reads may. A write may when running it twice is the same as running it once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.store.sentinels import SCHEMES, master_pool

T = TypeVar("T")

_ONE_SERVER = re.compile(
    r"(?i:rediss?)://([^/?#]*@)?[^/?#@:][^/?#@]*(/[0-9]*)?(\?[^#]*)?|(?i:unix)://.+"
)
"""The library would take localhost for a missing host, and 0 for a database that is no number."""

_RUN_ID = re.compile(rb"^run_id:([0-9a-f]{40})\r?$", re.MULTILINE)
_SHARE_OF_TIMEOUT = 0.75
"""Of a command's timeout, what WAITAOF may take: the server looks at its clock ten times a second,
and its answer has to be here before the timeout is over."""


@dataclass(frozen=True, slots=True)
class WaitAof:
    """Where a write must be on disk before it counts: on this server (1 or 0), on replicas."""

    local: int
    replicas: int


@dataclass(eq=False)
class StoreUnavailable(Exception):
    """Redis could not be reached, did not answer in time, or refused.

    `cause` is the class name of the failure: one of a few words, free of addresses and secrets.
    A write that fails so may have happened all the same.
    """

    cause: str

    def __str__(self) -> str:
        """Name the kind of failure."""
        return f"the store is away ({self.cause})"


class BadStoreUrl(ValueError):
    """The address of a Redis is not one. The text leaves it out, for it may hold a password."""

    def __str__(self) -> str:
        """Say what is expected."""
        return (
            "expected redis://, rediss:// or unix:// with a host, a port and a database number, or "
            "redis+sentinel:// or rediss+sentinel:// with host:port,host:port/service/database"
        )


@asynccontextmanager
async def open_redis(
    url: str,
    *,
    connect_timeout: float,
    command_timeout: float,
    max_connections: int,
    on_server: Callable[[str], None] | None = None,
) -> AsyncIterator[Redis]:
    """Give a client of the Redis at `url`, and close it at the end. Nothing connects yet.

    With Sentinels it is of the master, whichever server that is at each new connection.
    Timeouts in seconds; waiting for a free connection counts as connecting. `on_server` is told the
    run id of the server at the other end of each new connection before anything else is sent over
    it; a server that does not tell its run id is away. Raises `BadStoreUrl`.
    """
    greet = None if on_server is None else _asks_run_id(on_server)
    client = Redis.from_pool(_pool(url, connect_timeout, command_timeout, max_connections, greet))
    try:
        yield client
    finally:
        await client.aclose()


Greeting = Callable[[Connection], Awaitable[None]]


def _asks_run_id(on_server: Callable[[str], None]) -> Greeting:
    async def greet(connection: Connection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        told = _RUN_ID.search(await connection.read_response())
        if told is None:
            raise RedisConnectionError
        on_server(told[1].decode())

    return greet


def _pool(
    url: str,
    connect_timeout: float,
    command_timeout: float,
    max_connections: int,
    greet: Greeting | None,
) -> BlockingConnectionPool:
    by_sentinels = url.partition(":")[0] in SCHEMES
    if not by_sentinels and _ONE_SERVER.fullmatch(url) is None:
        raise BadStoreUrl
    open_pool = master_pool if by_sentinels else BlockingConnectionPool.from_url
    try:
        pool = open_pool(
            url,
            protocol=3,
            socket_connect_timeout=connect_timeout,
            socket_timeout=command_timeout,
            timeout=connect_timeout,
            max_connections=max_connections,
            retry=Retry(NoBackoff(), retries=0),
            redis_connect_func=greet,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        # An option in the address that there is not shows only when a connection is made.
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError):
        # urllib quotes parts of the address, and so of the password, in its own error.
        raise BadStoreUrl from None
    return pool


async def attempt(command: Callable[[], Awaitable[T]], *, tries: int = 1) -> T:
    """Run `command` up to `tries` times; raise `StoreUnavailable` when none succeeds."""
    cause, cancels = "", _cancels()
    for _ in range(tries):
        try:
            return await command()
        except (RedisError, OSError) as error:
            cause = type(error).__name__
        finally:
            # The library sends under asyncio.wait_for, which before Python 3.12 forgets to be
            # cancelled when it has just finished: a loop would go on for ever.
            if _cancels() > cancels:
                raise asyncio.CancelledError
    # Raised out here so that the first error does not travel along: an old server answers
    # HELLO with its arguments, the password among them.
    raise StoreUnavailable(cause)


def _cancels() -> int:
    """How often the task under way was asked to stop."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def reach(redis: Redis) -> None:
    """See that a connection stands. Where this raises, no command has left the process."""
    pool = redis.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    await pool.release(connection)


async def read_all(redis: Redis, keys: Sequence[str | bytes]) -> list[bytes | None]:
    """What stands under each of `keys`; a value that is no string counts as absent."""
    return cast("list[bytes | None]", await redis.mget(keys))


async def positions_before(redis: Redis, key: str, before: str | None, most: int) -> list[str]:
    """Up to `most` members of a sorted set whose scores are equal: the last below `before`."""
    upper = "+" if before is None else f"({before}"
    members = await redis.zrevrangebylex(key, upper, "-", 0, most)
    return [cast("bytes", member).decode() for member in members]


async def would_write(redis: Redis, key: str) -> None:
    """See that Redis takes writes now, writing nothing: `key`, which must not exist, stays so."""
    await redis.set(key, "", xx=True)


async def run_script(  # what a script answers, the script decides
    redis: Redis,
    text: str,
    keys: Sequence[str],
    values: Sequence[Any],
    *,
    wait: WaitAof | None = None,
) -> Any:  # noqa: ANN401
    """Run a Lua script. By its text: it is short, and a restarted server knows no hashes.

    With `wait`, return only once what it wrote is on disk where it has to be; when that is not so
    in time, raise `StoreUnavailable`, and it may get there yet. What an earlier run wrote, and this
    one found, is not waited for.
    """
    script = ("EVAL", text, len(keys), *keys, *values)
    if wait is None:
        return await redis.execute_command(*script)  # type: ignore[no-untyped-call]
    async with redis.pipeline(transaction=False) as together:
        together.execute_command(*script)
        together.execute_command("WAITAOF", wait.local, wait.replicas, _patience_ms(redis))
        answer, (local, replicas) = await together.execute()
    if local < wait.local or replicas < wait.replicas:
        raise StoreUnavailable("TooFewAcknowledgements")
    return answer


def _patience_ms(redis: Redis) -> int:
    timeout: float = redis.get_connection_kwargs()["socket_timeout"]  # type: ignore[no-untyped-call]
    return int(timeout * 1000 * _SHARE_OF_TIMEOUT)
