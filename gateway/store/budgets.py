"""The budgets of grants in Redis, changed by one replica at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote
from weakref import WeakValueDictionary

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.budgets import Budget
from gateway.domain.durations import DAY_MS
from gateway.store.redis import StoreUnavailable, attempt, run_script

_log = structlog.get_logger(__name__)

Change = Callable[[Budget], Budget]
"""Gives the changed budget, or raises to leave it as it is.

Run again on what it gave, it changes nothing.
"""

_BUDGETS = msgspec.json.Decoder(Budget)
_KEEP_MS = 2 * DAY_MS
_TRIES = 64
_CONTENTION = "Contention"

_REPLACE = """
local standing = redis.call('GET', KEYS[1])
if (standing or '') ~= ARGV[1] then return standing or '' end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return false
"""
"""Replace what stands if it is ARGV[1] ('': nothing) by ARGV[2], kept ARGV[3] ms (0: for ever).

Answers with what stands in the way, or nothing. Lua never computes with money: it compares text.
Should the answer be lost and the script run again, its own text is what stands in the way, and the
change run on that changes nothing.
"""


@dataclass(frozen=True, slots=True)
class BudgetKey:
    """Whose budget it is: of a principal by a grant on an account."""

    account: str
    principal: str
    grant: str

    @property
    def name(self) -> str:
        """The key in Redis. The braces make the account the hash slot of all its budgets."""
        # Quoted, so that parts do not run together.
        account, principal, grant = (
            quote(part, safe="") for part in (self.account, self.principal, self.grant)
        )
        return f"ngw:1:budget:{{{account}}}:{principal}:{grant}"


@dataclass(frozen=True, slots=True)
class BudgetClaim:
    """What an order takes of a budget, in the moment in which it is recorded."""

    key: BudgetKey
    change: Change


@dataclass(frozen=True, slots=True)
class BudgetTexts:
    """A budget's text as it must stand (empty: none) and as it is to be, kept `keep_ms` (0: on)."""

    was: bytes
    now: bytes
    keep_ms: int


Write = Callable[[BudgetTexts], Awaitable[bytes | None]]
"""Replaces a budget's text; gives what stands in the way, or None when nothing did."""


class CorruptBudget(StoreUnavailable):
    """What stands is no budget: nobody can tell what is left of it."""

    def __init__(self) -> None:
        """Say so by its name."""
        super().__init__("CorruptBudget")


class Budgets:
    """The budgets, shared by all replicas.

    A budget without claims goes two days after its last change, when its day is long over; one with
    claims stays, for its orders may rest for months. `patience_s`: how long a change waits for
    others of its budget in this process.
    """

    def __init__(self, redis: Redis, *, patience_s: float = 1.0) -> None:
        self._redis = redis
        self._patience_s = patience_s
        self._locks: WeakValueDictionary[BudgetKey, asyncio.Lock] = WeakValueDictionary()

    async def read(self, key: BudgetKey) -> Budget:
        """The budget as it stands; an empty one if none does. Raises `StoreUnavailable`."""
        return _decode(key, await self._standing(key))

    async def update(self, key: BudgetKey, change: Change) -> Budget:
        """Change a budget, all or nothing; return what stands then.

        Raises what `change` raises, and `StoreUnavailable`: then it may have been changed all the
        same.
        """
        return await self.update_by(key, change, lambda texts: self._replace(key, texts))

    async def update_by(self, key: BudgetKey, change: Change, write: Write) -> Budget:
        """Change a budget as `update` does, by a `write` that may do more in the same step."""
        async with self._turn(key):
            raw = await self._standing(key)
            for _ in range(_TRIES):
                changed = change(_decode(key, raw))
                keep_ms = 0 if changed.claims else _KEEP_MS
                answer = await write(BudgetTexts(raw, msgspec.json.encode(changed), keep_ms))
                if answer is None:
                    return changed
                raw = answer
        raise StoreUnavailable(_CONTENTION)

    @asynccontextmanager
    async def _turn(self, key: BudgetKey) -> AsyncIterator[None]:
        # Without a bound, one by one would wait for a Redis that is silent, and the last for long.
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(self._patience_s):
                await lock.acquire()
        except TimeoutError:
            raise StoreUnavailable(_CONTENTION) from None
        try:
            yield
        finally:
            lock.release()

    async def _standing(self, key: BudgetKey) -> bytes:
        raw = await attempt(lambda: self._redis.get(key.name), tries=2)
        return cast("bytes", raw or b"")

    async def _replace(self, key: BudgetKey, texts: BudgetTexts) -> bytes | None:
        if texts.now == (texts.was or _EMPTY):
            return None
        values = [texts.was, texts.now, texts.keep_ms]
        answer = await attempt(
            lambda: run_script(self._redis, _REPLACE, [key.name], values), tries=2
        )
        return cast("bytes | None", answer)


_EMPTY = msgspec.json.encode(Budget())


def _decode(key: BudgetKey, raw: bytes) -> Budget:
    if not raw:
        return Budget()
    try:
        return _BUDGETS.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        # Without a budget nobody can tell what is left: no order goes out by this grant.
        _log.exception("budgets.corrupt", key=key.name)
        raise CorruptBudget from None
