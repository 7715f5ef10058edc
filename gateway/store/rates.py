"""How often something was done: counted in Redis for all replicas, or here while that is away.

The library `limits` counts, by a sliding window: what was done in the current window counts in
full, and of the window before as much as of it is still within the rate's span.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from limits.aio.storage import MemoryStorage, RedisStorage
from redis.asyncio import Redis

from gateway.domain.limits import Rate
from gateway.store.redis import StoreUnavailable, attempt, reach

_PREFIX = "ngw:1:rate"


@dataclass(frozen=True, slots=True)
class Usage:
    """What counts against a rate: `current` of this window and `before` of the one before it.

    Windows last `per_s` seconds. In `before_left` seconds nothing of `before` counts any more;
    in `current_left` seconds the current window becomes the one before.
    """

    per_s: int
    before: int
    before_left: float
    current: int
    current_left: float

    @property
    def count(self) -> int:
        """How many count now."""
        return math.floor(self.before * self.before_left / self.per_s) + self.current

    @property
    def whole_in(self) -> float:
        """Seconds until none count any more, if nothing is added."""
        if self.current:
            return self.current_left + self.per_s
        return self.before_left if self.before else 0.0

    def room_in(self, cap: int) -> float:
        """Seconds until one more fits below `cap`, which is at least 1, if nothing is added."""
        if self.count < cap:
            return 0.0
        if self.current < cap:
            return self.before_left - (cap - self.current) * self.per_s / self.before
        return self.current_left + self.per_s - cap * self.per_s / self.current


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether it was granted, and what counts after that."""

    granted: bool
    usage: Usage


class RateStore:
    """Counts in `redis`; while that is away each replica counts for itself, against the same rate.

    `on_local` is told of everything that was taken without Redis.
    """

    def __init__(self, redis: Redis, *, on_local: Callable[[], None]) -> None:
        self._redis = redis
        self._shared = RedisStorage(
            "redis://",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type] # it takes one
        )
        self._local = MemoryStorage()
        self._on_local = on_local
        self._away = False

    @property
    def away(self) -> bool:
        """True while the replicas do not share their counts."""
        return self._away

    async def take(self, key: str, rate: Rate, quantity: int, *, cap: int) -> Taken:
        """Take `quantity` at once if with them at most `cap` count within the rate's span.

        Never raises, and waits for Redis only until it is found to be away.
        """
        if not self._away:
            try:
                return await attempt(lambda: _take(self._shared, key, rate, quantity, cap))
            except StoreUnavailable:
                self._away = True
        self._on_local()
        return await _take(self._local, key, rate, quantity, cap)

    async def watch(self, every_s: float) -> None:
        """See for ever, each `every_s` seconds, whether a Redis that was away is back."""
        while True:
            await asyncio.sleep(every_s)
            if self._away:
                await self._look()

    async def _look(self) -> None:
        try:
            await attempt(lambda: reach(self._redis))
        except StoreUnavailable:
            return
        self._away = False


async def _take(
    storage: RedisStorage | MemoryStorage, key: str, rate: Rate, quantity: int, cap: int
) -> Taken:
    granted = await storage.acquire_sliding_window_entry(key, cap, rate.per_s, quantity)
    before, before_left, current, current_left = await storage.get_sliding_window(key, rate.per_s)
    # The library keeps a window's count for one span more, and tells the time until that ends.
    left = max(0.0, current_left - rate.per_s)
    return Taken(granted, Usage(rate.per_s, before, before_left, current, left))
