"""The budgets of grants in Redis, changed by one replica at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote
from weakref import WeakValueDictionary

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.budgets import DAY_MS, Budget
from gateway.store.redis import StoreUnavailable, attempt, run_script

_log = structlog.get_logger(__name__)

Change = Callable[[Budget], Budget]
"""Gives the changed budget, or raises to leave it as it is.

Run again on what it gave, it changes nothing.
"""

_BUDGETS = msgspec.json.Decoder(Budget)
_KEEP_MS = 2 * DAY_MS
_TRIES = 64
_WAITING = 1000

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


class Budgets:
    """The budgets, shared by all replicas.

    A budget without claims goes two days after its last change, when its day is long over; one with
    claims stays, for its orders may rest for months.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._locks: WeakValueDictionary[BudgetKey, asyncio.Lock] = WeakValueDictionary()
        self._waiting: defaultdict[BudgetKey, list[Change]] = defaultdict(list)

    async def read(self, key: BudgetKey) -> Budget:
        """The budget as it stands; an empty one where there is none. Raises `StoreUnavailable`."""
        return _decode(key, await self._standing(key))

    async def update(self, key: BudgetKey, change: Change) -> Budget:
        """Change a budget, all or nothing; return what stands then.

        Raises what `change` raises, and `StoreUnavailable`: then it may have been changed all the
        same. What `settle` and `later` left to do comes first.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            return await self._update(key, change)

    async def settle(self, key: BudgetKey, change: Change) -> None:
        """Change a budget now or, while Redis is away, before its next update by this process."""
        self.later(key, change)
        try:
            await self.update(key, lambda budget: budget)
        except StoreUnavailable as away:
            _log.warning("budgets.away", cause=away.cause)

    def later(self, key: BudgetKey, change: Change) -> None:
        """Make this change before the next update by this process."""
        # What finds no room leaves the claims as they are: more is counted than stands.
        if len(self._waiting[key]) < _WAITING:
            self._waiting[key].append(change)

    async def _update(self, key: BudgetKey, change: Change) -> Budget:
        waiting = tuple(self._waiting[key])
        raw = await self._standing(key)
        for _ in range(_TRIES):
            standing = _decode(key, raw)
            changed = change(_after(standing, waiting))
            answer = None if changed == standing else await self._replace(key, raw, changed)
            if answer is None:
                del self._waiting[key][: len(waiting)]
                return changed
            raw = answer
        raise StoreUnavailable("Contention")

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


def _after(budget: Budget, changes: tuple[Change, ...]) -> Budget:
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
        raise StoreUnavailable("CorruptBudget") from None
