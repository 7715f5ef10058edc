"""The budgets of grants in Redis, changed by one replica at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
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
_WAITING = 1000
"""How many outcomes of one budget wait in memory."""

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


class _Corrupt(StoreUnavailable):
    """What stands is no budget."""

    def __init__(self) -> None:
        super().__init__("CorruptBudget")


class Budgets:
    """The budgets, shared by all replicas.

    A budget without claims goes two days after its last change, when its day is long over; one with
    claims stays, for its orders may rest for months. `patience_s`: how long a change waits for
    others of its budget in this process. `retry_s` paces `run` while Redis is away.
    """

    def __init__(self, redis: Redis, *, patience_s: float = 1.0, retry_s: float = 0.5) -> None:
        self._redis = redis
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._locks: WeakValueDictionary[BudgetKey, asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[BudgetKey, list[Change]] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    async def read(self, key: BudgetKey) -> Budget:
        """The budget as it stands, with what this process has settled; an empty one if none does.

        Raises `StoreUnavailable`.
        """
        budget = _decode(key, await self._standing(key))
        return _after(budget, self._waiting.get(key, ()))

    async def update(self, key: BudgetKey, change: Change) -> Budget:
        """Change a budget, all or nothing; return what stands then.

        Raises what `change` raises, and `StoreUnavailable`: then it may have been changed all the
        same. What `settle` left to do comes first.
        """
        async with self._turn(key):
            return await self._update(key, change)

    def settle(self, key: BudgetKey, change: Change) -> None:
        """Change a budget soon: before its next update by this process, or when `run` comes to it.

        It waits for nothing, so that a Redis that is silent holds up neither an order's answer nor
        a stop.
        """
        waiting = self._waiting.setdefault(key, [])
        if len(waiting) >= _WAITING:
            # The claims stay as they are: more is counted than stands.
            _log.error("budgets.spool_full", key=key.name)
            return
        waiting.append(change)
        self._filled.set()
        self._emptied.clear()

    async def run(self) -> None:
        """Write what is settled, for ever."""
        while True:
            await self._filled.wait()
            written = [await self._write(key) for key in tuple(self._waiting)]
            if not all(written):
                await asyncio.sleep(self._retry_s)

    async def caught_up(self) -> None:
        """Wait until `run` has written everything: a graceful stop gives it some seconds."""
        await self._emptied.wait()

    async def _write(self, key: BudgetKey) -> bool:
        try:
            await self.update(key, lambda budget: budget)
        except _Corrupt:
            # Nobody can change it, and whoever deletes it deletes the claims, too.
            self._written(key, len(self._waiting.get(key, ())))
        except StoreUnavailable as away:
            _log.warning("budgets.away", cause=away.cause)
            return False
        return True

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

    async def _update(self, key: BudgetKey, change: Change) -> Budget:
        waiting = tuple(self._waiting.get(key, ()))
        raw = await self._standing(key)
        for _ in range(_TRIES):
            standing = _decode(key, raw)
            changed = change(_after(standing, waiting))
            answer = None if changed == standing else await self._replace(key, raw, changed)
            if answer is None:
                self._written(key, len(waiting))
                return changed
            raw = answer
        raise StoreUnavailable(_CONTENTION)

    def _written(self, key: BudgetKey, count: int) -> None:
        if key not in self._waiting:
            return
        del self._waiting[key][:count]
        if not self._waiting[key]:
            del self._waiting[key]
        if not self._waiting:
            self._filled.clear()
            self._emptied.set()

    async def _standing(self, key: BudgetKey) -> bytes:
        raw = await attempt(lambda: self._redis.get(key.name), tries=2)
        return cast("bytes", raw or b"")

    async def _replace(self, key: BudgetKey, raw: bytes, budget: Budget) -> bytes | None:
        keep = 0 if budget.claims else _KEEP_MS
        values = [raw, msgspec.json.encode(budget), keep]
        answer = await attempt(
            lambda: run_script(self._redis, _REPLACE, [key.name], values), tries=2
        )
        return cast("bytes | None", answer)


def _after(budget: Budget, changes: Sequence[Change]) -> Budget:
    for change in changes:
        budget = change(budget)
    return budget


def _decode(key: BudgetKey, raw: bytes) -> Budget:
    if not raw:
        return Budget()
    try:
        return _BUDGETS.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        # Without a budget nobody can tell what is left: no order goes out by this grant.
        _log.exception("budgets.corrupt", key=key.name)
        raise _Corrupt from None
