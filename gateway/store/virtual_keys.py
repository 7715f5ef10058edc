"""Virtual keys in the state Redis: one hash that never expires, for all replicas.

A field is the SHA-256 (hex) of an API key, its value what custody sealed. To read them is to learn
neither keys nor secrets; to write them, without the key-encryption key, is to make none.
"""

from typing import cast

from redis.asyncio import Redis

from gateway.store.redis import attempt, run_script

KEY = "ngw:1:virtual-keys"

_BYTES = "surrogateescape"

_REPLACE = """-- virtual-keys.replace
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class VirtualKeyStore:
    """Reads and writes entries. Everything here raises `StoreUnavailable`.

    A write that raises may have happened all the same; to do it twice is as once.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def find(self, digest: str) -> bytes | None:
        """The entry that stands at `digest` now; None when it was revoked, or never was."""
        found = await attempt(lambda: self._redis.hget(KEY, digest), tries=2)
        return cast("bytes | None", found)

    async def all(self) -> dict[str, bytes]:
        """Every entry that stands now, by its digest."""
        fields = cast(
            "dict[bytes, bytes]", await attempt(lambda: self._redis.hgetall(KEY), tries=2)
        )
        # Whatever somebody wrote there can be named, and so be removed.
        return {digest.decode(errors=_BYTES): entry for digest, entry in fields.items()}

    async def add(self, digest: str, entry: bytes) -> None:
        """Let an entry stand."""
        await attempt(lambda: self._redis.hset(KEY, digest, entry), tries=2)

    async def replace(self, digest: str, before: bytes, after: bytes) -> bool:
        """Let `after` stand in the place of `before`; False when that stands there no more."""
        values = (digest, before, after)
        return bool(await attempt(lambda: run_script(self._redis, _REPLACE, [KEY], values)))

    async def remove(self, digest: str) -> None:
        """Let no entry stand at `digest`."""
        field = digest.encode(errors=_BYTES)
        await attempt(lambda: self._redis.hdel(KEY, field), tries=2)
