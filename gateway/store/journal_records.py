"""What stands under the journal's keys: records, the pointers to them, and its indexes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.errors import NotLookedUp
from gateway.domain.placements import Placement
from gateway.store.redis import StoreUnavailable, attempt, positions_before, read_all

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_PLACEMENTS = msgspec.json.Decoder(Placement)


class JournalRecords:
    """What stands in the journal. Everything here raises `NotLookedUp` when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._corrupt: set[str] = set()

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """What stands under `keys`: records as text, and where pointers lead; None for nothing."""
        return await self._read(keys)

    async def one(self, key: str | bytes) -> Placement | None:
        """The record under `key`; raises `NotLookedUp` for a corrupt one."""
        (raw,) = await self._read([key])
        return None if raw is None else self.decode(key, raw)

    async def several(self, keys: Sequence[str | bytes]) -> list[Placement | None]:
        """The records under `keys`; None for one that is not there, and for a corrupt one."""
        records = zip(keys, await self._read(keys), strict=True)
        return [None if raw is None else self._readable(key, raw) for key, raw in records]

    async def positions(self, index: str, before: str | None, most: int) -> list[str]:
        """Up to `most` positions of an index, the last below `before`."""
        return await self.asked(lambda redis: positions_before(redis, index, before, most))

    async def asked(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """What a command answers that may be run twice."""
        try:
            return await attempt(lambda: command(self._redis), tries=2)
        except StoreUnavailable as away:
            raise NotLookedUp from away

    def decode(self, key: str | bytes, raw: bytes) -> Placement:
        """Read a record. A corrupt one is not absent: nothing may be sent in its place."""
        try:
            return _PLACEMENTS.decode(raw)
        except (msgspec.MsgspecError, ValueError) as error:
            name = key if isinstance(key, str) else key.decode()
            if name not in self._corrupt:
                self._corrupt.add(name)
                _log.exception("journal.corrupt_record", key=name)
            raise NotLookedUp from error

    def _readable(self, key: str | bytes, raw: bytes) -> Placement | None:
        try:
            return self.decode(key, raw)
        except NotLookedUp:
            return None

    async def _read(self, keys: Sequence[str | bytes]) -> list[bytes | None]:
        if not keys:
            return []
        return await self.asked(lambda redis: read_all(redis, keys))
