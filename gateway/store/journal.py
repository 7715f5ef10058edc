"""The durable record of every order intent: what was asked for, and what became of it.

A record lives under its principal, account and client order id; pointers lead to it from the
placement's id and from the order's. Beside the records of an account stand what decides over new
intents (`scripts/rules.lua`), indexes by time, and the account's events. One script writes an
intent and all that goes with it, another what becomes of it.

Who records an intent may send it, and owns it: the `owner`, under its `epoch`. Its outcome is the
owner's to record until the lease has lapsed and somebody takes the placement over, as UNKNOWN and
under the next epoch. What the owner brings then is evidence.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from redis.asyncio import Redis

from gateway.domain.errors import NotLookedUp, NotRecorded, RefusedMeanwhile
from gateway.domain.order_errors import NotDurable, Quarantined
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import FOLLOWING, Placement, PlacementState
from gateway.store.budgets import BudgetClaim, CorruptBudget
from gateway.store.durability import Durability
from gateway.store.journal_account import AccountJournal
from gateway.store.journal_guard import JournalGuard
from gateway.store.journal_keys import Identity, account_of, identity_of, key_of, record_key
from gateway.store.journal_outcomes import (
    as_begun,
    as_kept,
    following,
    was_withdrawn,
    withdrawn,
)
from gateway.store.journal_rules import Claimed, LaneMoved, Look, Moved, obstacle_of
from gateway.store.journal_writes import Changing, JournalWrites, budget_key, text_of
from gateway.store.redis import StoreUnavailable, WaitAof, attempt, reach, would_write
from gateway.store.spool import Spool
from gateway.tracing import Watch, unwatched

__all__ = ["Claimed", "LaneMoved", "Look", "Moved", "OrderJournal", "new_placement_id"]

_log = structlog.get_logger(__name__)

_S = PlacementState
_TRIES = 8


def new_placement_id(account: str, random_bytes: Callable[[int], bytes]) -> str:
    """A fresh placement id: it carries its account, so that the id alone finds the record."""
    return f"{account}.{random_bytes(16).hex()}"


class OrderJournal(AccountJournal):
    """The order journal. It always tries: nothing skips it while Redis seems to be away.

    `server` gives the run id of the Redis that this process talks to, `durability` what was found
    of it; with `volatile` neither matters, and records may get lost. About `keep_events` events are
    kept of each account. For `late_watch_ms`, what was NOT_PLACED may turn out to be placed late.
    `spool_limit` and `retry_s` bound and pace what waits in memory while Redis is away.
    """

    def __init__(  # noqa: PLR0913 - its settings are handed in one by one
        self,
        redis: Redis,
        *,
        server: Callable[[], str | None],
        durability: Callable[[], Durability | None],
        volatile: bool = False,
        keep_events: int = 100_000,
        late_watch_ms: int = 600_000,
        spool_limit: int = 10_000,
        retry_s: float = 0.5,
        watch: Watch = unwatched,
    ) -> None:
        super().__init__(
            redis,
            spool=Spool(spool_limit),
            guard=JournalGuard(redis, server=server, volatile=volatile),
            writes=JournalWrites(
                redis,
                wait=self._wait,
                keep_events=keep_events,
                late_watch_ms=late_watch_ms,
                watch=watch,
            ),
        )
        self._durability = durability
        self._retry_s = retry_s

    async def look(self, principal_id: str, command: PlaceOrder) -> Look:
        """What stands for an order that is to be placed, and what is in its way.

        A withdrawn intent does not count as standing. Raises `NotRecorded`.
        """
        identity = (principal_id, command.account, command.client_order_id)
        record = record_key(*identity)
        try:
            answer = await self._writes.look(record, command.account, self._terms(command))
            standing = self._records.decode(record, answer[0]) if answer[0] else None
        except (StoreUnavailable, NotLookedUp) as away:
            raise NotRecorded from away
        if standing is not None and was_withdrawn(standing):
            standing = None
        obstacle, sending = None, False
        if answer[2]:
            obstacle, sending = obstacle_of(command.account, answer[2])
        shut = obstacle.reason if isinstance(obstacle, Quarantined) else None
        if shut is None:
            self._guard.saw(command.account, answer[3])
        self._guard.found(command.account, shut)
        return Look(
            self._standing_for(identity, standing), obstacle, sending, int(answer[1]), answer[4]
        )

    async def refuse(self, identity: Identity, owner: str) -> Placement | None:
        """What stands for an order that is refused; where nothing does, nothing will.

        The same order may be under way in another process than `owner`, which was asked for it
        before. That one does not record it any more: who is told of this refusal relies on it.
        Raises `NotLookedUp`.
        """
        waiting = self._waiting_for(identity)
        if waiting is not None and not was_withdrawn(waiting):
            return waiting
        try:
            raw = await self._writes.refuse(identity, owner)
        except StoreUnavailable as away:
            raise NotLookedUp from away
        record = record_key(*identity)
        return self._standing_for(identity, self._records.decode(record, raw) if raw else None)

    async def begin(
        self,
        placement: Placement,
        *,
        lease_ms: int,
        claim: BudgetClaim | None = None,
        lane: int | None = None,
        asked_at: int | None = None,
    ) -> Placement:
        """Record an intent, unless one stands for its principal, account and client order id.

        One that was withdrawn, because writing it was not certain, does not count as standing.
        Returns the record that stands: the intent is the caller's to send only when that has its
        id, which must be fresh, and until `lease_ms` from now. `claim` is taken from its budget in
        the same step; with `lane`, no other order of the lane may have come since that look; with
        `asked_at` (ms, by Redis' clock), no other process may have refused the order since.

        Raises `DuplicateOrder`, `LaneUnresolved`, `LaneMoved`, `RefusedMeanwhile`, `Quarantined`,
        `NotDurable`, what the claim raises, and `NotRecorded` when it is not certain that it is
        recorded: should it be after all, it becomes NOT_SENT. In all these cases nothing may be
        sent.
        """
        _check_intent(placement, claim)
        waiting = self._waiting_for(identity_of(placement))
        if waiting is not None and not was_withdrawn(waiting):
            return waiting
        try:
            await attempt(lambda: reach(self._redis))
        except StoreUnavailable as away:
            raise NotRecorded from away
        self._require_durable()
        intent = replace(placement, begun_at=0, lease_until=0, claimed=claim is not None)
        terms = {**self._terms(placement.command), "lease_ms": lease_ms}
        if lane is not None:
            terms["mark"] = lane
        if asked_at is not None:
            terms |= {"asked_at": asked_at, "owner": placement.owner}
        answer = await self._begin(intent, terms, claim)
        return self._begun(intent, answer)

    async def finish(self, placement: Placement) -> Placement:
        """Record what became of an intent, for its owner; return the record that stands.

        Its budget is settled in the same step. Where somebody took it over, it is evidence. What
        may not follow is refused and logged. While Redis is away the record waits in memory, and
        `run` writes it. `ValueError` for what is no outcome of sending.
        """
        if placement.state not in FOLLOWING[_S.SENDING]:
            message = f"{placement.state} is no outcome of sending"
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

    async def caught_up(self) -> None:
        """Wait until `run` has written everything: a graceful stop gives it some seconds."""
        await self._spool.empty()

    def pending(self) -> int:
        """How many records wait in memory to be written."""
        return len(self._spool)

    async def writable(self, account: str) -> bool:
        """Whether an intent of the account could be recorded now, as far as can be told."""
        try:
            await attempt(lambda: would_write(self._redis, key_of(account, "writable")))
            self._require_durable()
        except (StoreUnavailable, NotRecorded, NotDurable):
            return False
        return account not in self.quarantines

    def _wait(self) -> WaitAof | None:
        known = None if self._guard.volatile else self._durability()
        return None if known is None else known.wait

    def _require_durable(self) -> None:
        if self._guard.volatile:
            return
        known = self._durability()
        if known is None or self._guard.server() is None:
            raise NotRecorded
        if known.problem is not None:
            raise NotDurable(known.problem)

    def _terms(self, command: PlaceOrder) -> dict[str, Any]:
        return {
            **self._guard.terms(command.account),
            "lane": command.lane,
            "immediate": command.immediate,
            "canonical": command.canonical(),
        }

    async def _begin(
        self, intent: Placement, terms: dict[str, Any], claim: BudgetClaim | None
    ) -> list[Any]:
        try:
            answer = await self._writes.begin(intent, terms, claim)
            if self._guard.server() != terms.get("server"):
                # It may have run on either server, and only one of them was compared.
                raise StoreUnavailable("ServerChanged")  # noqa: TRY301 - as an answer that is lost
        except CorruptBudget as corrupt:
            raise NotRecorded from corrupt  # and nothing was written
        except StoreUnavailable as lost:
            self._defer(withdrawn(intent))
            raise NotRecorded from lost
        except asyncio.CancelledError:
            self._defer(withdrawn(intent))
            raise
        return answer

    def _begun(self, intent: Placement, answer: list[Any]) -> Placement:
        account, kind = intent.command.account, answer[0]
        if kind == b"BEGUN":
            self._guard.saw(account, answer[3])
            return replace(intent, begun_at=answer[1], lease_until=answer[2])
        if kind == b"STANDS":
            try:
                return self._records.decode(record_key(*identity_of(intent)), answer[1])
            except NotLookedUp as corrupt:
                raise NotRecorded from corrupt
        if kind == b"MOVED":
            raise LaneMoved
        if kind == b"REFUSED":
            raise RefusedMeanwhile
        obstacle, _ = obstacle_of(account, answer)
        if isinstance(obstacle, Quarantined):
            self._guard.found(account, obstacle.reason)
        raise obstacle

    async def _settle(self, outcome: Placement) -> Placement:
        standing: Placement | None = as_begun(outcome)
        was = text_of(as_begun(outcome))
        for _ in range(_TRIES):
            follows = following(outcome, standing)
            if follows is None:
                return self._refused(outcome, standing)
            tell = standing is None or follows.state is not standing.state
            changing = Changing(was=was, placement=follows, own=True, tell=tell)
            answer = await self._writes.change(changing)
            if answer[0] != b"STANDS":
                self._tell_taken(follows, answer)
                return follows
            was = answer[1]
            try:
                standing = self._decoded(outcome, was)
            except NotLookedUp:
                return outcome
        raise StoreUnavailable("Contention")

    def _defer(self, placement: Placement) -> Placement:
        known = self._spool.get(placement.id)
        if known is not None:
            return self._refused(placement, known)
        if not len(self._spool):
            _log.warning("journal.away")
        if not self._spool.put(placement):
            # The record in Redis stays SENDING, and its lease makes its outcome unknown.
            _log.critical("journal.spool_full", placement=placement.id, state=placement.state)
        return placement

    def _refused(self, placement: Placement, standing: Placement | None) -> Placement:
        if standing is None or standing in (placement, as_kept(placement)):
            return placement
        _log.warning(
            "journal.transition_refused",
            placement=placement.id,
            wanted=placement.state,
            standing=standing.id,
            state=standing.state,
        )
        return standing


def _check_intent(placement: Placement, claim: BudgetClaim | None) -> None:
    message = None
    if account_of(placement.id) != placement.command.account:
        message = "the placement's id must come from new_placement_id"
    elif placement.state is not _S.SENDING:
        message = f"{placement.state} is no intent"
    elif claim is not None and claim.key != budget_key(placement):
        message = "the claim must be on the budget of the placement's own grant"
    if message is not None:
        raise ValueError(message)
