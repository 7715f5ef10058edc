"""Market data shared by all replicas, in a Redis that may be away at any time.

The failure policy: with Redis away a read finds nothing and a write is dropped. Both are counted,
the change of state is logged once, and no caller ever sees an exception.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis

from gateway.domain.market import MarketKey, MarketValue, Version
from gateway.store.breaker import Breaker
from gateway.store.market_codec import CorruptEntry, decode, encode, key_name
from gateway.store.redis import StoreUnavailable, attempt, read_all, run_script

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_EPOCH = "ngw:1:market-epoch"

# MGET instead of GET: a key of a foreign type then counts as absent, as it does for readers.
_WRITE_UNLESS_OLDER = """
local standing = redis.call('MGET', KEYS[1])[1]
if standing then
  local epoch, counter = string.match(standing, '^(%d+) (%d+) ')
  epoch, counter = tonumber(epoch), tonumber(counter)
  local new_epoch, new_counter = tonumber(ARGV[2]), tonumber(ARGV[3])
  if epoch and (new_epoch < epoch or (new_epoch == epoch and new_counter < counter)) then
    return 1
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
return 0
"""

_NEXT_EPOCH = """
local last = tonumber(redis.call('MGET', KEYS[1])[1] or 0) or 0
local epoch = math.max(last + 1, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%d', epoch))
return epoch
"""


class CacheFault(StrEnum):
    """What goes wrong with the cache, for the count."""

    READ = "read"
    WRITE = "write"
    EPOCH = "epoch"
    CORRUPT = "corrupt"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Stored:
    """A value as the cache holds it; `as_of` (ms) is when it was received from the exchange."""

    value: MarketValue
    as_of: int
    version: Version


@dataclass(frozen=True, slots=True)
class CacheWrite:
    """A value to keep for `ttl_ms`, unless a newer version of it stands already."""

    key: MarketKey
    value: MarketValue
    as_of: int
    version: Version
    ttl_ms: int


class MarketCache:
    """Market data in Redis.

    `count` is called with each fault, `wall_ms` gives the time in ms since the Unix epoch.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        breaker: Breaker,
        count: Callable[[CacheFault], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._redis = redis
        self._breaker = breaker
        self._count = count
        self._wall_ms = wall_ms
        self.reached = False
        """Whether Redis has answered once."""

    @property
    def available(self) -> bool:
        """False while Redis counts as away."""
        return not self._breaker.open

    async def read(self, keys: Sequence[MarketKey]) -> list[Stored | None]:
        """What stands under each of `keys`, in their order, in one round trip."""
        if not keys:
            return []
        names = [key_name(key) for key in keys]
        found = await self._call(CacheFault.READ, lambda: read_all(self._redis, names))
        if found is None:
            return [None] * len(keys)
        return [self._stored(key, raw) for key, raw in zip(keys, found, strict=True)]

    async def write(self, entries: Sequence[CacheWrite]) -> int:
        """Write in one round trip; return how many gave way to a newer version that stands.

        Running it twice is the same as once. Equal versions overwrite: a reply of the REST
        interface carries the version of the newest frame that it followed.
        """
        if not entries:
            return 0
        dropped = await self._call(CacheFault.WRITE, lambda: self._write_all(entries))
        return sum(dropped or ())

    async def next_epoch(self) -> int:
        """An epoch above every one given out before, to any replica.

        It starts from the wall clock in ms, so that with Redis away, or after it lost its memory,
        an epoch still lies above the earlier ones, within the error of the clocks.
        """
        now = self._wall_ms()
        epoch: int | None = await self._call(
            CacheFault.EPOCH,
            lambda: run_script(self._redis, _NEXT_EPOCH, [_EPOCH], [now]),
        )
        return now if epoch is None else epoch

    async def watch(self, every_s: float) -> None:
        """Look at Redis every `every_s` seconds, for ever.

        `available` would otherwise stay as the last reader or writer found it, while none comes.
        """
        while True:
            await self._call(CacheFault.PROBE, self._redis.ping)
            await asyncio.sleep(every_s)

    async def _write_all(self, entries: Sequence[CacheWrite]) -> list[int]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for entry in entries:
                pipeline.execute_command("EVAL", _WRITE_UNLESS_OLDER, 1, *_arguments(entry))
            dropped: list[int] = await pipeline.execute()
        return dropped

    def _stored(self, key: MarketKey, raw: bytes | None) -> Stored | None:
        if raw is None:
            return None
        try:
            return Stored(*decode(key.kind, raw))
        except CorruptEntry:
            self._count(CacheFault.CORRUPT)
            return None

    async def _call(self, fault: CacheFault, command: Callable[[], Awaitable[T]]) -> T | None:
        if not self._breaker.allows():
            self._count(fault)
            return None
        try:
            answer = await attempt(command)
        except StoreUnavailable as away:
            self._count(fault)
            if self._breaker.failed():
                _log.warning("market_cache.away", cause=away.cause)
            return None
        self.reached = True
        if self._breaker.succeeded():
            _log.info("market_cache.back")
        return answer


def _arguments(entry: CacheWrite) -> tuple[Any, ...]:
    version = entry.version
    payload = encode(entry.value, entry.as_of, version)
    return key_name(entry.key), payload, version.epoch, version.counter, entry.ttl_ms
