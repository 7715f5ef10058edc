"""The audit log in Redis: one stream for all writers, the head of each, and where each begins.

Entries are only ever appended, and taken off at the old end, by age and by number. What a writer's
oldest entry stands behind is kept as its base, so that the chain can still be checked.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from gateway.domain.audit import AuditEntry, AuditPage
from gateway.domain.audit_chain import Head, MalformedEntry, from_text, to_text
from gateway.domain.errors import BadUserInput
from gateway.store.redis import attempt, run_script

_log = structlog.get_logger(__name__)

_STREAM = "ngw:1:audit:{log}:entries"
_HEADS = "ngw:1:audit:{log}:heads"
_BASES = "ngw:1:audit:{log}:bases"
_TRIMMED = "ngw:1:audit:{log}:trimmed"

_CHUNK = 200
_LOOKED_AT = 5_000
"""How many entries one page looks at, however few of them are wanted."""

_UNBOUNDED = 2**53

_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)

APPEND = """
local head = redis.call('HGET', KEYS[2], ARGV[1])
local last = head and tonumber(head:match('^%d+')) or 0
for i = 2, #ARGV, 2 do
  if tonumber(ARGV[i]:match('^%d+')) > last then
    redis.call('XADD', KEYS[1], '*', 'entry', ARGV[i + 1], 'writer', ARGV[1], 'head', ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[i])
  end
end
"""
"""Append entries of one writer that are beyond its head: running it twice is as once.

KEYS: the stream, the heads. ARGV: the writer, then the head that an entry makes, and the entry.
"""

TRIM = """
local time = redis.call('TIME')
local old = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[1])
local excess = redis.call('XLEN', KEYS[1]) - tonumber(ARGV[2])
local gone, trimmed = 0, tonumber(redis.call('GET', KEYS[4])) or 0
for i, item in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[3])) do
  local at = tonumber(item[1]:match('^%d+'))
  if at >= old and i > excess then break end
  local writer, head = item[2][4], item[2][6]
  if writer and head and redis.call('HGET', KEYS[2], writer) == head then
    redis.call('HDEL', KEYS[2], writer)
    redis.call('HDEL', KEYS[3], writer)
  elseif writer and head then redis.call('HSET', KEYS[3], writer, head) end
  redis.call('XDEL', KEYS[1], item[1])
  gone, trimmed = i, math.max(trimmed, at + 1)
end
if gone < tonumber(ARGV[3]) then trimmed = math.max(trimmed, old) end
redis.call('SET', KEYS[4], string.format('%.0f', trimmed))
return gone
"""
"""Take off up to ARGV[3] entries that are older than ARGV[1] (ms, by the server's clock) or beyond
the ARGV[2] newest, and keep each writer's base.

KEYS: the stream, the heads, the bases, and until when everything is gone. Of a writer without
entries nothing stays.
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """What Redis knows of the chains besides their entries.

    `heads`: the newest entry of each writer. `bases`: the last entry of each that was taken off.
    `trimmed_before`: everything before (ms) is gone.
    """

    heads: Mapping[str, Head]
    bases: Mapping[str, Head]
    trimmed_before: int


class AuditStream:
    """The stream, kept `retention_ms` back and `most` entries long.

    Everything here raises `StoreUnavailable`.
    """

    def __init__(self, redis: Redis, *, retention_ms: int, most: int = _UNBOUNDED) -> None:
        self._redis = redis
        self._retention_ms = retention_ms
        self._most = most

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries of one writer, in their order; those that stand there are left out."""
        values = [entries[0].writer]
        for entry in entries:
            values += (str(Head.of(entry)), to_text(entry))
        await attempt(lambda: run_script(self._redis, APPEND, (_STREAM, _HEADS), values))

    async def trim(self) -> int:
        """Take off what is older than the retention, or too many; return how many entries."""
        keys = (_STREAM, _HEADS, _BASES, _TRIMMED)
        values = (self._retention_ms, self._most, _CHUNK)
        gone = 0
        while True:
            took: int = await attempt(lambda: run_script(self._redis, TRIM, keys, values))
            gone += took
            if took < _CHUNK:
                return gone

    async def marks(self) -> Marks:
        """Heads and bases as they are now."""
        heads = await attempt(lambda: self._hash(_HEADS))
        bases = await attempt(lambda: self._hash(_BASES))
        trimmed = await attempt(lambda: self._redis.get(_TRIMMED))
        return Marks(_heads(heads), _heads(bases), int(trimmed or 0))

    async def page(
        self,
        *,
        first: int,
        after: str | None,
        wanted: Callable[[AuditEntry], bool],
    ) -> AuditPage:
        """The `first` newest entries that are `wanted`, from behind the cursor `after`.

        Raises `BadUserInput` for what is no cursor. What cannot be read is left out: `verify` is
        what tells of it.
        """
        before = None if after is None else _id_at(after)
        entries: list[tuple[str, AuditEntry]] = []
        looked_at = 0
        while looked_at < _LOOKED_AT:
            chunk = await self._before(before)
            for place, text in chunk:
                looked_at += 1
                entry = _readable(place, text)
                if entry is not None and wanted(entry):
                    if len(entries) == first:
                        return AuditPage(tuple(entries), entries[-1][0], has_next=True)
                    entries.append((_cursor(place), entry))
                before = place
            if len(chunk) < _CHUNK:
                end = None if before is None else _cursor(before)
                return AuditPage(tuple(entries), end, has_next=False)
        return AuditPage(tuple(entries), _cursor(before or ""), has_next=True)

    async def follow(self, after: str = "0-0") -> AsyncIterator[tuple[str, str]]:
        """Every entry as text from behind the id `after` on, with its id; ends at the newest."""
        while True:
            start = f"({after}"
            found = await attempt(lambda s=start: self._range(s))  # type: ignore[misc]
            for place, text in found:
                yield place, text
                after = place
            if len(found) < _CHUNK:
                return

    async def newest(self, count: int) -> list[tuple[str, str]]:
        """The ids and texts of the `count` newest entries, the oldest of them first."""
        found = await attempt(lambda: self._redis.xrevrange(_STREAM, "+", "-", count))
        return _texts(found)[::-1]

    async def _before(self, before: str | None) -> list[tuple[str, str]]:
        upper = "+" if before is None else f"({before}"
        return _texts(
            await attempt(lambda: self._redis.xrevrange(_STREAM, upper, "-", _CHUNK), tries=2)
        )

    async def _range(self, start: str) -> list[tuple[str, str]]:
        return _texts(await self._redis.xrange(_STREAM, start, "+", _CHUNK))

    async def _hash(self, key: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", await cast("Any", self._redis.hgetall(key)))


def _texts(found: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - redis-py's types say no more
    return [
        (place.decode(), fields.get(b"entry", b"").decode(errors="replace"))
        for place, fields in found
    ]


def _readable(place: str, text: str) -> AuditEntry | None:
    try:
        return from_text(text)
    except MalformedEntry:
        _log.error("audit.unreadable", place=place)
        return None


def _heads(raw: Mapping[bytes, bytes]) -> dict[str, Head]:
    heads = {}
    for writer, text in raw.items():
        try:
            heads[writer.decode(errors="replace")] = Head.parse(text.decode(errors="replace"))
        except MalformedEntry:
            _log.error("audit.unreadable_head")
    return heads


def _cursor(place: str) -> str:
    return urlsafe_b64encode(place.encode()).decode()


def _id_at(cursor: str) -> str:
    try:
        place = urlsafe_b64decode(cursor).decode()
    except ValueError:
        place = ""
    if not _ID.fullmatch(place) or _cursor(place) != cursor:
        raise BadUserInput("after", "expected the cursor of a page before, or none")
    return place
