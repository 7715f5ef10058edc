"""The pause that the exchange asked for, told to all replicas through Redis."""

from dataclasses import dataclass

from redis.asyncio import Redis

from gateway.store.redis import attempt, run_script

_KEY = "ngw:1:back-off"

_LENGTHEN = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return false
"""
"""Of two pauses the one that ends later stands. The key lives exactly as long as the pause, by
Redis' own clock: replicas' clocks need not agree."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that goes on for `left_ms`, the `step`th of a row of refusals."""

    left_ms: int
    step: int


class BackOffStore:
    """Keeps the one pause in `redis`; raises `StoreUnavailable` when that is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def lengthen(self, pause: Pause) -> None:
        """Let the pause last as long as `pause` at least."""
        values = (pause.step, pause.left_ms)
        await attempt(lambda: run_script(self._redis, _LENGTHEN, [_KEY], values))

    async def current(self) -> Pause | None:
        """The pause that is on, if one is."""
        step, left_ms = await attempt(self._read)
        return None if step is None or left_ms <= 0 else Pause(left_ms, int(step))

    async def _read(self) -> tuple[bytes | None, int]:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.get(_KEY)
            pipeline.pttl(_KEY)
            step, left_ms = await pipeline.execute()
        return step, left_ms
