"""Who leads an account, in Redis: a lease that lapses by the clock of Redis.

The key is never deleted, for it holds the epoch, and an epoch must never come again.
"""

from redis.asyncio import Redis

from gateway.domain.leadership import Leadership
from gateway.store.journal_keys import key_of
from gateway.store.redis import attempt, run_script

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, epoch, till = unpack(redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until'))
local standing = till and tonumber(till) > now
"""

_ACQUIRE = f"""-- lease.acquire
{_NOW}
if standing and owner ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]))
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
"""
"""The new epoch, or nothing while another owner's lease stands. ARGV: the owner, ms to hold it."""

_RENEW = f"""-- lease.renew
{_NOW}
if not standing or owner ~= ARGV[1] or epoch ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[3]))
return 1
"""
"""1 when it stood and was renewed. ARGV: the owner, the epoch, ms to hold it from now on."""

_RELEASE = f"""-- lease.release
{_NOW}
if owner == ARGV[1] and epoch == ARGV[2] then redis.call('HSET', KEYS[1], 'until', '0') end
"""
"""End the lease at once if it is still the one of this owner and epoch."""


def leader_key(account: str) -> str:
    """The hash that says who leads an account: `owner`, `epoch`, `until` (ms, by Redis' clock)."""
    return key_of(account, "leader")


class AccountLeases:
    """The leases of all accounts. Everything here raises `StoreUnavailable`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def acquire(self, account: str, owner: str, ttl_ms: int) -> Leadership | None:
        """Lead the account for `ttl_ms` from now on; None while somebody else does.

        An owner that leads already begins anew, under the next epoch: so an answer that was lost
        costs nothing. `owner` is a name that no other process has or had.
        """
        keys, values = [leader_key(account)], (owner, ttl_ms)
        epoch = await attempt(lambda: run_script(self._redis, _ACQUIRE, keys, values), tries=2)
        return None if epoch is None else Leadership(account, owner, epoch)

    async def renew(self, leadership: Leadership, ttl_ms: int) -> bool:
        """Hold it for `ttl_ms` from now on; False when it has lapsed, whoever leads by now."""
        keys = [leader_key(leadership.account)]
        values = (leadership.owner, leadership.epoch, ttl_ms)
        renewed = await attempt(lambda: run_script(self._redis, _RENEW, keys, values), tries=2)
        return bool(renewed)

    async def release(self, leadership: Leadership) -> None:
        """Let somebody else lead at once; no matter if it has lapsed."""
        keys, values = [leader_key(leadership.account)], (leadership.owner, leadership.epoch)
        await attempt(lambda: run_script(self._redis, _RELEASE, keys, values), tries=2)
