"""What the journal's Redis does so that no record is lost, and what has to be awaited for it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway.store.redis import StoreUnavailable, WaitAof, attempt

_log = structlog.get_logger(__name__)

_THE_JOURNALS = "The order journal's Redis"
_CUT_OFF = (
    f"{_THE_JOURNALS} had a replica and has none now, so it may not be the primary any more: see "
    "which server is. If it is this one, bring a replica back, or start the gateway anew to go on "
    "without."
)


@dataclass(frozen=True, slots=True)
class Durability:
    """How durable a write is on the server of `run_id`.

    `problem`: how records could get lost, a sentence with its remedy for each way; None when none
    is known. `wait`: what each write has to wait for; None where an answer alone says that it is on
    disk, and where there is a problem, for then nobody knows whether waiting would ever end.
    """

    problem: str | None
    wait: WaitAof | None
    run_id: str


async def inspect(redis: Redis) -> Durability:
    """Ask the server. Raises `StoreUnavailable`.

    It has to keep all keys, write each change to its file (AOF), and have it on disk before the
    change counts: by WAITAOF, with the replicas too if there are any, or by `appendfsync always`.
    What it does not let itself be asked counts as not done.
    """
    server: dict[str, Any] = await attempt(redis.info, tries=2)
    if server.get("loading"):
        # Until it has read its file, it says that it has none.
        raise StoreUnavailable("BusyLoadingError")
    settings = await attempt(lambda: _settings(redis), tries=2)
    waits = await attempt(lambda: _takes_waitaof(redis), tries=2)
    replicas = int(server.get("connected_slaves", 0))
    problems = [*_memory(server), *_role(server), *_file(server)]
    if server.get("aof_enabled"):
        problems += _waitable(settings) if waits else _unwaitable(settings, replicas)
    return Durability(
        problem=" ".join(problems) or None,
        wait=WaitAof(local=1, replicas=min(replicas, 1)) if waits and not problems else None,
        run_id=str(server.get("run_id", "")),
    )


class ServerWatch:
    """The server that the journal is kept on: which one it is, and how durable it is.

    `run_id`: of the server at the other end of the newest connection. `problem`: why its durability
    is not known, or not sufficient. A server that had a replica needs one from then on: without, it
    may have been cut off from its replicas, and one of them may be the primary by now.
    """

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.problem: str | None = f"{_THE_JOURNALS} has not been asked yet how durable it is."
        self._known: Durability | None = None
        self._changed = asyncio.Event()
        self._replicated: str | None = None

    @property
    def durability(self) -> Durability | None:
        """What was found last; None before that, and while another server has not been asked."""
        known = self._known
        return known if known is not None and known.run_id == self.run_id else None

    def connected(self, run_id: str) -> None:
        """Take note of the server of a new connection: for `open_redis`' `on_server`."""
        if self.run_id is not None and run_id != self.run_id:
            _log.warning("journal.server_changed", before=self.run_id, now=run_id)
            self._changed.set()
        self.run_id = run_id

    async def look(self, redis: Redis) -> None:
        """Ask the server how durable it is now. While it is away, what was found last holds."""
        try:
            found = await inspect(redis)
        except StoreUnavailable as away:
            self._say(f"{_THE_JOURNALS} cannot be asked how durable it is: {away}.")
        else:
            self._known = self._as_before(found)
            self._say(self._known.problem)

    async def run(self, redis: Redis, every_s: float) -> None:
        """Ask every `every_s` seconds, and at once when the server is another one, for ever."""
        while True:
            self._changed.clear()
            await self.look(redis)
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._changed.wait()

    def _as_before(self, found: Durability) -> Durability:
        if found.wait is not None and found.wait.replicas:
            self._replicated = found.run_id
        elif found.wait is not None and found.run_id == self._replicated:
            return replace(found, problem=_CUT_OFF, wait=None)
        return found

    def _say(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            _log.warning("journal.problem", problem=problem)
        elif problem != self.problem:
            _log.info("journal.durable", run_id=self.run_id)
        self.problem = problem


async def _settings(redis: Redis) -> Mapping[str | None, str | None]:
    """What CONFIG tells; nothing where it is forbidden, as it is on many hosted servers."""
    try:
        return await redis.config_get("appendfsync", "no-appendfsync-on-rewrite")
    except ResponseError:
        return {}


async def _takes_waitaof(redis: Redis) -> bool:
    """Whether it has WAITAOF and lets this user run it: asked for nothing, it waits for nothing."""
    try:
        await redis.waitaof(0, 0, 0)
    except ResponseError:
        return False
    return True


def _memory(server: dict[str, Any]) -> Iterator[str]:
    policy = server.get("maxmemory_policy")
    if policy is None:
        yield (
            f"{_THE_JOURNALS} does not tell whether it evicts records when its memory is full: "
            "set maxmemory-policy to noeviction and let INFO show it."
        )
    elif policy != "noeviction":
        yield (
            f"{_THE_JOURNALS} may evict records when its memory is full: "
            f"set maxmemory-policy to noeviction (it is {policy})."
        )


def _role(server: dict[str, Any]) -> Iterator[str]:
    if server.get("role", "master") != "master":
        yield (
            f"{_THE_JOURNALS} is a replica and takes no writes: "
            "let NGW_STATE_REDIS_URL name the primary."
        )


def _file(server: dict[str, Any]) -> Iterator[str]:
    if not server.get("aof_enabled"):
        yield f"{_THE_JOURNALS} loses the last records when it stops: set appendonly to yes."
        return
    for status, what in (
        ("aof_last_write_status", "write to"),
        ("aof_last_bgrewrite_status", "rewrite"),
    ):
        if server.get(status, "ok") != "ok":
            yield (
                f"{_THE_JOURNALS} failed to {what} its append-only file: "
                "see its log, and whether its disk is full or broken."
            )


def _waitable(settings: Mapping[str | None, str | None]) -> Iterator[str]:
    # With "no" it tells nothing of what the kernel has on disk, and WAITAOF waits in vain.
    if settings.get("appendfsync") == "no":
        yield (
            f"{_THE_JOURNALS} leaves it to the kernel when records get to the disk: "
            "set appendfsync to always (or to everysec: each order then takes up to a second more)."
        )


def _unwaitable(settings: Mapping[str | None, str | None], replicas: int) -> Iterator[str]:
    if replicas:
        yield (
            f"{_THE_JOURNALS} may lose the last records when a replica takes over: WAITAOF must be "
            "there and permitted to be waited for (Redis 7.2 or later, or Valkey)."
        )
    fsync = settings.get("appendfsync")
    if fsync is None:
        yield (
            f"{_THE_JOURNALS} does not tell when records get to its disk: permit CONFIG GET, or "
            "WAITAOF (Redis 7.2 or later, or Valkey)."
        )
    elif fsync != "always":
        yield (
            f"{_THE_JOURNALS} has the last records not on disk yet when it answers: "
            f"set appendfsync to always (it is {fsync})."
        )
    elif settings.get("no-appendfsync-on-rewrite") == "yes":
        yield (
            f"{_THE_JOURNALS} has records not on disk yet while it rewrites its file: "
            "set no-appendfsync-on-rewrite to no."
        )
