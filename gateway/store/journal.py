"""The durable record of every order intent: what was asked for, and what became of it.

A record lives under its principal, account and client order id. Two kinds of pointers lead to
it: from the placement's id, and from the order id once the exchange gave one. An index has the
placements of a principal in an account by their age. All of these are written by one script.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.durations import DAY_MS
from gateway.domain.errors import NotLookedUp, NotRecorded
from gateway.domain.placements import FOLLOWING, Placement, PlacementPage, PlacementState, Rejection
from gateway.store.journal_index import client_order_id_at, page_of, position_at, position_of
from gateway.store.journal_keys import (
    Identity,
    account_of,
    id_key,
    identity_of,
    index_keys,
    key_of,
    keys_of,
    order_key,
    record_key,
)
from gateway.store.journal_records import JournalRecords
from gateway.store.journal_script import PUT
from gateway.store.redis import (
    StoreUnavailable,
    attempt,
    reach,
    run_script,
    would_write,
)
from gateway.store.spool import Spool

_log = structlog.get_logger(__name__)

_INTENTS = frozenset({PlacementState.RECEIVED, PlacementState.SENDING})
_OUTCOMES = frozenset(state for state, following in FOLLOWING.items() if not following)
# Late evidence may still turn NOT_PLACED into ACCEPTED, but not after the time that records keep.
_EXPIRING = _OUTCOMES | {PlacementState.NOT_PLACED}

_CHUNK = 100


def new_placement_id(account: str, random_bytes: Callable[[int], bytes]) -> str:
    """A fresh placement id: it carries its account, so that the id alone finds the record."""
    return f"{account}.{random_bytes(16).hex()}"


class OrderJournal:
    """The order journal. It always tries: nothing skips it while Redis seems to be away.

    `keep_ms`: how long a record outlives its outcome; without one it never expires.
    `spool_limit` and `retry_s` bound and pace what waits in memory while Redis is away. `problem`
    says what `watch` found wrong at its last look.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        keep_ms: int = 90 * DAY_MS,
        spool_limit: int = 10_000,
        retry_s: float = 0.5,
    ) -> None:
        self._redis = redis
        self._keep_ms = keep_ms
        self._retry_s = retry_s
        self._spool = Spool(spool_limit)
        self._records = JournalRecords(redis)
        self.problem: str | None = None

    async def begin(self, placement: Placement) -> Placement:
        """Record an intent, unless one stands for its principal, account and client order id.

        One that was withdrawn, because writing it was not certain, does not count as standing.
        Returns the record that stands: the intent is the caller's to send only when that equals
        `placement`, whose id must be fresh. Raises `NotRecorded` when that is not certain;
        then nothing may be sent, and should the record have been written after all, it becomes
        NOT_SENT.
        """
        if account_of(placement.id) != placement.command.account:
            message = "the placement's id must come from new_placement_id"
            raise ValueError(message)
        waiting = self._waiting_for(identity_of(placement))
        if waiting is not None:
            return waiting
        try:
            await attempt(lambda: reach(self._redis))
        except StoreUnavailable as away:
            raise NotRecorded from away
        return await self._begin(placement)

    async def finish(self, placement: Placement) -> Placement:
        """Record what became of an intent, by `FOLLOWING`; return the record that stands.

        What may not follow the standing state is refused and logged. While Redis is away the
        record waits in memory, and `run` writes it. Intents are refused with `ValueError`: they
        must be durable before anything is sent, and this method does not promise that.
        """
        if placement.state in _INTENTS:
            message = f"{placement.state} is an intent: record it with begin"
            raise ValueError(message)
        if len(self._spool):
            # Redis is known to be away, and what was decided first must be written first.
            return self._defer(placement)
        try:
            return await self._settle(placement)
        except StoreUnavailable:
            return self._defer(placement)
        except asyncio.CancelledError:
            self._defer(placement)
            raise

    async def run(self) -> None:
        """Write what waits in memory, oldest first, for ever."""
        while True:
            placement = await self._spool.first()
            try:
                await self._settle(placement)
            except StoreUnavailable:
                await asyncio.sleep(self._retry_s)
                continue
            self._spool.drop_first()
            if not len(self._spool):
                _log.info("journal.caught_up")

    async def watch(self, every_s: float) -> None:
        """Look at Redis every `every_s` seconds, for ever; `problem` says what is wrong."""
        while True:
            problem = " ".join(await self.inspect()) or None
            if problem is not None and problem != self.problem:
                _log.warning("journal.problem", problem=problem)
            elif problem != self.problem:
                _log.info("journal.back")
            self.problem = problem
            await asyncio.sleep(every_s)

    async def caught_up(self) -> None:
        """Wait until `run` has written everything: a graceful stop gives it some seconds."""
        await self._spool.empty()

    def pending(self) -> int:
        """How many records wait in memory to be written."""
        return len(self._spool)

    async def get(self, placement_id: str) -> Placement | None:
        """The placement with this id. Raises `NotLookedUp`, as all readers here do."""
        waiting = self._spool.get(placement_id)
        if waiting is not None:
            return waiting
        (record,) = await self._records.pointers([id_key(placement_id)])
        return None if record is None else await self._records.one(record)

    async def find(self, principal: str, account: str, client_order_id: str) -> Placement | None:
        """The placement that stands for this principal, account and client order id."""
        waiting = self._waiting_for((principal, account, client_order_id))
        if waiting is not None:
            return waiting
        return await self._records.one(record_key(principal, account, client_order_id))

    async def of_orders(self, account: str, order_ids: Sequence[str]) -> dict[str, Placement]:
        """The placements by the ids of the orders that they placed; others are left out.

        So are those whose record is corrupt: one must not hide all others.
        """
        keys = [order_key(account, order_id) for order_id in order_ids]
        pairs = zip(order_ids, await self._records.pointers(keys), strict=True)
        records = {order_id: key for order_id, key in pairs if key is not None}
        found = zip(records, await self._records.several(list(records.values())), strict=True)
        placements = {order_id: each for order_id, each in found if each is not None}
        return placements | self._waiting_of(account, frozenset(order_ids))

    async def page(
        self,
        principal: str,
        account: str,
        *,
        first: int,
        after: str | None = None,
        client_order_id: str | None = None,
        wanted: Callable[[Placement], bool] = lambda _: True,
    ) -> PlacementPage:
        """The principal's `first` newest placements in an account that are `wanted`.

        `after`: the cursor at which another page ended; raises `BadUserInput` for what is none.
        With `client_order_id`, the one placement that has it. What waits in memory is among them;
        what is corrupt is not, except that the one of an id raises `NotLookedUp`.
        """
        before = None if after is None else position_at(after)
        if client_order_id is None:
            found = self._newest_first(principal, account, before)
        else:
            found = self._one((principal, account, client_order_id), before)
        async with aclosing(found) as places:
            return await page_of(places, first, wanted)

    async def writable(self, account: str) -> bool:
        """Whether an intent of the account could be recorded now, as far as Redis tells."""
        try:
            await attempt(lambda: would_write(self._redis, key_of(account, "writable")))
        except StoreUnavailable:
            return False
        return True

    async def inspect(self) -> list[str]:
        """What would let Redis lose records, one sentence each; empty when nothing would."""
        try:
            server: dict[str, Any] = await attempt(self._redis.info, tries=2)
        except StoreUnavailable as away:
            return [f"The order journal's Redis cannot be asked how durable it is: {away}."]
        warnings = []
        if (policy := server.get("maxmemory_policy")) != "noeviction":
            warnings.append(
                f"The order journal's Redis may evict records when its memory is full: "
                f"set maxmemory-policy to noeviction (it is {policy})."
            )
        if not server.get("aof_enabled"):
            warnings.append(
                "The order journal's Redis loses the last records when it stops: "
                "set appendonly to yes."
            )
        return warnings

    async def _begin(self, placement: Placement) -> Placement:
        try:
            standing = await self._put(placement, after=frozenset())
        except StoreUnavailable as lost:
            self._withdraw(placement)
            raise NotRecorded from lost
        except asyncio.CancelledError:
            self._withdraw(placement)
            raise
        if standing is None:
            return placement
        try:
            return self._records.decode(record_key(*identity_of(placement)), standing)
        except NotLookedUp as corrupt:
            raise NotRecorded from corrupt

    def _withdraw(self, placement: Placement) -> None:
        """See to it that an intent which may have been recorded is not taken for sent."""
        if placement.state in _INTENTS:
            reason = NotRecorded()
            rejection = Rejection(code=reason.code, message=str(reason), retryable=True)
            placement = replace(placement, state=PlacementState.NOT_SENT, rejection=rejection)
        self._defer(placement)

    async def _settle(self, placement: Placement) -> Placement:
        after = frozenset(s for s, following in FOLLOWING.items() if placement.state in following)
        raw = await self._put(placement, after)
        if raw is None:
            return placement
        try:
            standing = self._records.decode(record_key(*identity_of(placement)), raw)
        except NotLookedUp:
            return placement
        if standing != placement:
            _refused(placement, standing)
        return standing

    def _defer(self, placement: Placement) -> Placement:
        known = self._spool.get(placement.id)
        if known is not None and placement.state not in FOLLOWING[known.state]:
            _refused(placement, known)
            return known
        if not len(self._spool):
            _log.warning("journal.away")
        if not self._spool.put(placement):
            # The record in Redis stays SENDING, and its lease makes its outcome unknown.
            _log.critical("journal.spool_full", placement=placement.id, state=placement.state)
        return placement

    async def _put(self, placement: Placement, after: frozenset[PlacementState]) -> bytes | None:
        keys = keys_of(placement)
        keep_ms = self._keep_ms if placement.state in _EXPIRING else 0
        step = "begin" if placement.state in _INTENTS else "finish"
        place = position_of(placement)
        values = (
            msgspec.json.encode(placement),
            placement.id,
            keep_ms,
            step,
            place,
            *sorted(after),
        )
        standing: bytes | None = await attempt(lambda: run_script(self._redis, PUT, keys, values))
        return standing

    async def _newest_first(
        self, principal: str, account: str, before: str | None
    ) -> AsyncGenerator[tuple[str, Placement | None]]:
        """Every position of the principal's in an account, from below `before` on.

        With the placement that stands there; None where nothing does, or nothing readable.
        """
        index, _ = index_keys(principal, account)
        waiting: dict[str, Placement] = {}
        while True:
            positions = await self._records.positions(index, before, _CHUNK)
            found = await self._placements_at(principal, account, positions)
            waiting |= self._waiting_by_position(principal, account)
            down_to = positions[-1] if len(positions) == _CHUNK else ""
            for position, placement in waiting.items():
                if down_to <= position and (before is None or position < before):
                    found[position] = placement
            for position in sorted(found, reverse=True):
                yield position, found[position]
            if not down_to:
                return
            before = down_to

    async def _one(
        self, identity: Identity, before: str | None
    ) -> AsyncGenerator[tuple[str, Placement | None]]:
        placement = await self.find(*identity)
        if placement is None:
            return
        position = position_of(placement)
        if before is None or position < before:
            yield position, placement

    async def _placements_at(
        self, principal: str, account: str, positions: Sequence[str]
    ) -> dict[str, Placement | None]:
        ids = map(client_order_id_at, positions)
        keys = [record_key(principal, account, each) for each in ids]
        records = await self._records.several(keys)
        # Where an intent was withdrawn, the one in its place may stand elsewhere.
        return {
            at: found if found is not None and position_of(found) == at else None
            for at, found in zip(positions, records, strict=True)
        }

    def _waiting_by_position(self, principal: str, account: str) -> dict[str, Placement]:
        return {
            position_of(placement): placement
            for placement in self._spool.latest()
            if (placement.principal, placement.command.account) == (principal, account)
        }

    def _waiting_for(self, identity: Identity) -> Placement | None:
        return next((p for p in self._spool.latest() if identity_of(p) == identity), None)

    def _waiting_of(self, account: str, order_ids: frozenset[str]) -> dict[str, Placement]:
        return {
            placement.order.order_id: placement
            for placement in self._spool.latest()
            if placement.command.account == account
            and placement.order is not None
            and placement.order.order_id in order_ids
        }


def _refused(placement: Placement, standing: Placement) -> None:
    _log.warning(
        "journal.transition_refused",
        placement=placement.id,
        wanted=placement.state,
        standing=standing.id,
        state=standing.state,
    )
