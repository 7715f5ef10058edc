"""Dead-man switches in the state Redis: armed until a time by Redis' own clock, then lapsed.

What has lapsed stays until it has been carried out, whichever process does that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from gateway.store.journal_keys import key_of
from gateway.store.redis import attempt, run_script

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
"""

_BACK = """
local until_then = redis.call('ZSCORE', KEYS[1], ARGV[1])
if until_then and tonumber(until_then) <= now then
  redis.call('HSET', KEYS[2], ARGV[1], text(until_then) .. ' ' .. text(now))
elseif redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  local lapsed, back = string.match(redis.call('HGET', KEYS[2], ARGV[1]), '(%d+) (%d+)')
  if back == '0' then redis.call('HSET', KEYS[2], ARGV[1], lapsed .. ' ' .. text(now)) end
end
"""
"""The principal is heard of again: should its switch have lapsed, what it does from now on is
another matter. KEYS: the armed (a sorted set), the lapsed (a hash: when, and when heard of again or
0). ARGV: the principal."""

_ARM = f"""-- dead-man.arm
{_NOW}{_BACK}
local standing = until_then and tonumber(until_then) > now
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
return {{text(now + ARGV[2]), standing and 1 or 0}}
"""

_DISARM = f"""-- dead-man.disarm
{_NOW}{_BACK}
redis.call('ZREM', KEYS[1], ARGV[1])
return until_then and tonumber(until_then) > now and 1 or 0
"""

_STANDING = f"""-- dead-man.standing
{_NOW}
local until_then = redis.call('ZSCORE', KEYS[1], ARGV[1])
return until_then and tonumber(until_then) > now and text(until_then)
"""

_LAPSE = f"""-- dead-man.lapse
{_NOW}
local under_way = redis.call('HGET', KEYS[2], ARGV[1])
if under_way then return under_way end
local until_then = redis.call('ZSCORE', KEYS[1], ARGV[1])
return until_then and tonumber(until_then) <= now and text(until_then) .. ' 0'
"""

_LAPSED = f"""-- dead-man.lapsed
{_NOW}
for _, principal in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', text(now), 'BYSCORE')) do
  local lapsed = text(redis.call('ZSCORE', KEYS[1], principal))
  redis.call('HSET', KEYS[2], principal, lapsed .. ' 0')
  redis.call('ZREM', KEYS[1], principal)
end
return redis.call('HGETALL', KEYS[2])
"""

_CARRIED_OUT = """-- dead-man.carried-out
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True, slots=True)
class Armed:
    """A switch armed until `expires_at` (ms, by Redis' clock); `renewed`: it stood already."""

    expires_at: int
    renewed: bool


@dataclass(frozen=True, slots=True)
class Lapse:
    """A principal whose switch lapsed at `lapsed_at`, and when it was heard of again, if it was.

    Times in ms by Redis' clock.
    """

    principal: str
    lapsed_at: int
    back_at: int | None


class DeadManStore:
    """The switches of all accounts. Everything here raises `StoreUnavailable`.

    Running any of it twice is as once.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def arm(self, account: str, principal: str, span_ms: int) -> Armed:
        """Let the principal's switch lapse `span_ms` from now, whatever it was before."""
        expires_at, renewed = await self._run(_ARM, account, principal, span_ms)
        return Armed(int(expires_at), bool(renewed))

    async def disarm(self, account: str, principal: str) -> bool:
        """Remove the principal's switch; False when none was armed. What has lapsed, has."""
        return bool(await self._run(_DISARM, account, principal))

    async def standing(self, account: str, principal: str) -> int | None:
        """Until when the principal's switch is armed; None when it is not."""
        until = await self._run(_STANDING, account, principal)
        return None if until is None else int(until)

    async def lapse(self, account: str, principal: str) -> Lapse | None:
        """The principal's lapse that was not carried out yet, if there is one."""
        times = await self._run(_LAPSE, account, principal)
        return None if times is None else _lapse(principal, times)

    async def lapsed(self, account: str) -> tuple[Lapse, ...]:
        """What has lapsed and was not carried out yet, in no order."""
        fields = await self._run(_LAPSED, account)
        return tuple(_lapses(fields))

    async def carried_out(self, account: str, lapse: Lapse) -> bool:
        """Forget a lapse; False when it is not as it was: it lapsed again, or is heard of."""
        keys = [_keys(account)[1]]
        values = (lapse.principal, f"{lapse.lapsed_at} {lapse.back_at or 0}")
        done = await attempt(lambda: run_script(self._redis, _CARRIED_OUT, keys, values), tries=2)
        return bool(done)

    async def _run(self, script: str, account: str, *values: str | int) -> Any:  # noqa: ANN401 - as each script answers
        keys = _keys(account)
        return await attempt(lambda: run_script(self._redis, script, keys, values), tries=2)


def _keys(account: str) -> tuple[str, str]:
    return key_of(account, "dead-man", "armed"), key_of(account, "dead-man", "lapsed")


def _lapses(fields: list[bytes]) -> Iterator[Lapse]:
    for principal, times in zip(fields[::2], fields[1::2], strict=True):
        yield _lapse(principal.decode(), times)


def _lapse(principal: str, times: bytes) -> Lapse:
    lapsed_at, back_at = times.split()
    return Lapse(principal, int(lapsed_at), int(back_at) or None)
