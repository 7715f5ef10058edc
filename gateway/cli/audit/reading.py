"""Reading the audit log in Redis, and its lines in files."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import typer

from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import MalformedEntry, from_text
from gateway.settings import PREFIX
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import BadStoreUrl, StoreUnavailable, open_redis

ADDRESS = f"{PREFIX}STATE_REDIS_URL"

_TIMEOUT_S = 10.0


class NoLog(Exception):
    """No Redis is named."""

    def __str__(self) -> str:
        """Say what to set."""
        return "set it to the Redis that holds the audit log"


@asynccontextmanager
async def open_stream(environ: Mapping[str, str]) -> AsyncIterator[AuditStream]:
    """Give the stream in the Redis of NGW_STATE_REDIS_URL; raises `NoLog` without one."""
    address = environ.get(ADDRESS)
    if not address:
        raise NoLog
    async with open_redis(
        address, connect_timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S, max_connections=1
    ) as redis:
        yield AuditStream(redis, retention_ms=0)


def with_redis(run: Coroutine[Any, Any, None]) -> int:
    """Run to the end, or until Ctrl-C: 0. Print what is wrong with the Redis: 2."""
    try:
        asyncio.run(run)
    except (NoLog, BadStoreUrl, StoreUnavailable) as problem:
        typer.echo(f"{ADDRESS}: {problem}", err=True)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def entry_of(text: str) -> AuditEntry | None:
    """The entry that a text holds; None if it holds none."""
    try:
        return from_text(text)
    except MalformedEntry:
        return None


def lines_of(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Each line with its number, and whether it has its end. Raises `OSError`."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            yield number, line, line.endswith("\n")


def members_of(line: str) -> dict[str, Any] | None:
    """The JSON object of a line; a container's runtime may have put words before it."""
    start = line.find("{")
    try:
        members = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None
