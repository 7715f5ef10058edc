"""Reading the journal: its records, the pointers to them, and its index."""

from collections.abc import Sequence

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.errors import NotLookedUp
from gateway.domain.placements import Placement
from gateway.store.redis import StoreUnavailable, attempt, positions_before, read_all

_log = structlog.get_logger(__name__)

_PLACEMENTS = msgspec.json.Decoder(Placement)


class JournalRecords:
    """What stands in the journal. Everything here raises `NotLookedUp` when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._corrupt: set[str] = set()

    async def pointers(self, keys: Sequence[str]) -> list[bytes | None]:
        """The keys of the records that these pointers lead to; None where there is no pointer."""
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
        try:
            return await attempt(
                lambda: positions_before(self._redis, index, before, most), tries=2
            )
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
        try:
            return await attempt(lambda: read_all(self._redis, keys), tries=2)
        except StoreUnavailable as away:
            raise NotLookedUp from away
