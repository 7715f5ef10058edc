"""Signatures that were seen, in the state Redis: each belongs to the endpoint that saw it first."""

from hashlib import sha256
from typing import cast

from redis.asyncio import Redis

from gateway.store.redis import attempt


class ReplayStore:
    """Keeps of a signature its digest alone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def first_seen_on(self, key_id: str, signature: str, endpoint: str, keep_ms: int) -> str:
        """The endpoint that saw the key's signature first: this one, if none did before.

        What was not seen before is remembered for `keep_ms`. Raises `StoreUnavailable`; asking
        twice is as asking once.
        """
        key = f"ngw:1:seen:{key_id}:{sha256(signature.encode()).hexdigest()}"
        before = await attempt(
            lambda: self._redis.set(key, endpoint, nx=True, get=True, px=keep_ms), tries=2
        )
        return endpoint if before is None else cast("bytes", before).decode()
