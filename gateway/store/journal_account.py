"""The journal of an account as a whole, whoever placed what: for who leads it, and for people."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from gateway.domain.errors import NotLookedUp
from gateway.domain.leadership import Leadership
from gateway.domain.placements import Answer, Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.store.journal_guard import JournalGuard
from gateway.store.journal_keys import (
    ended_key,
    fills_key,
    given_up_key,
    identity_of,
    order_key,
    record_key,
    unresolved_key,
)
from gateway.store.journal_outcomes import resolved, taken_over
from gateway.store.journal_reader import JournalReader
from gateway.store.journal_rules import Moved, record_of
from gateway.store.journal_writes import Changing, JournalWrites
from gateway.store.redis import StoreUnavailable, attempt
from gateway.store.spool import Spool

_log = structlog.get_logger(__name__)

_CHUNK = 500


class AccountJournal(JournalReader):
    """Everything here raises `NotLookedUp` when Redis is away. Corrupt records are left out."""

    def __init__(
        self, redis: Redis, *, spool: Spool, guard: JournalGuard, writes: JournalWrites
    ) -> None:
        super().__init__(redis, spool)
        self._guard = guard
        self._writes = writes

    @property
    def quarantines(self) -> Mapping[str, str]:
        """The accounts that were quarantined when last looked at, and why."""
        return self._guard.shut

    @property
    def problem(self) -> str | None:
        """Which accounts are quarantined, for people; None when none is."""
        said = (f"{account} is quarantined: {why}." for account, why in self.quarantines.items())
        return " ".join(said) or None

    async def unresolved(self, account: str) -> tuple[Placement, ...]:
        """What is SENDING, UNKNOWN or IN_DOUBT in Redis, in the order in which it was made."""
        entries = await self._records.asked(lambda redis: redis.hvals(unresolved_key(account)))
        found = await self._standing([record_of(cast("bytes", each)) for each in entries])
        return _by_age(each for each in found if each.unresolved)

    async def given_up(self, account: str) -> tuple[Placement, ...]:
        """What was lately found NOT_PLACED, and may turn out to have been placed late."""
        with _asking():
            since = await self._now() - self._writes.late_watch_ms
        found = await self._standing(await self._between(given_up_key(account), since, "+inf"))
        return _by_age(each for each in found if each.state is PlacementState.NOT_PLACED)

    async def accepted_since(self, account: str, ms: int) -> tuple[Placement, ...]:
        """What was recorded as ACCEPTED at `ms` or later, by Redis' clock."""
        found = await self._standing(await self._between(ended_key(account), ms, "+inf"))
        return _by_age(each for each in found if each.state is PlacementState.ACCEPTED)

    async def ended_before(
        self,
        account: str,
        ms: int,
        most: int,
        wanted: Callable[[Placement], bool] = lambda _: True,
    ) -> tuple[Placement, ...]:
        """Up to `most` of the `wanted` ones that had an outcome before `ms`, by Redis' clock."""
        found: list[Placement] = []
        keys = await self._between(ended_key(account), "-inf", f"({ms}")
        for start in range(0, len(keys), _CHUNK):
            standing = await self._standing(keys[start : start + _CHUNK])
            found += (each for each in standing if not each.unresolved and wanted(each))
            if len(found) >= most:
                break
        return tuple(found[:most])

    async def claimed_orders(self, account: str, order_ids: Iterable[str]) -> frozenset[str]:
        """Those of the orders that are a placement's, or known to be EXTERNAL."""
        asked = list(order_ids)
        pointers = await self._records.values([order_key(account, each) for each in asked])
        return frozenset(
            order_id
            for order_id, pointer in zip(asked, pointers, strict=True)
            if pointer is not None
        )

    async def claimed_fills(self, account: str, names: Iterable[str]) -> frozenset[str]:
        """Those of the fills, by their names, that made an order."""
        asked = list(names)
        if not asked:
            return frozenset()
        times = await self._records.asked(lambda redis: redis.zmscore(fills_key(account), asked))
        return frozenset(name for name, time in zip(asked, times, strict=True) if time is not None)

    async def lapse(self, placement: Placement) -> Placement | None:
        """Take over an intent whose lease has lapsed: it is UNKNOWN then.

        None when the lease stands, or the placement is not SENDING any more. Raises `NotLookedUp`.
        """
        was, standing = await self._read(placement)
        if (
            standing is None
            or standing.id != placement.id
            or standing.state is not PlacementState.SENDING
        ):
            return None
        with _asking():
            if (now := await self._now()) <= standing.lease_until:
                return None
            lost = taken_over(standing, now)
            answer = await self._writes.change(Changing(was=was, placement=lost, only_lapsed=True))
        return lost if answer[0] == b"CHANGED" else None

    async def resolve(
        self,
        verdict: Verdict,
        *,
        leader: Leadership | None,
        by: str | None = None,
        reason: str | None = None,
    ) -> Placement:
        """Record what a placement without an outcome is found to be, and claim its order or fills.

        By the account's `leader`, or by a person (`by`), who has a `reason`. Raises `Moved` when
        the placement is not what the verdict is on, or may not become this; `Claimed` when what it
        claims is another's; `Fenced` when the leadership has passed; and `NotLookedUp`.
        """
        was, standing = await self._read(verdict.placement)
        if standing != verdict.placement:
            raise Moved
        with _asking():
            follows = resolved(verdict, await self._now(), by, reason)
            if follows is None:
                raise Moved
            answer = await self._writes.change(
                Changing(
                    was=was,
                    placement=follows,
                    leader=leader,
                    fills=verdict.claims,
                    own=_told_to_its_sender(verdict),
                )
            )
        if answer[0] == b"STANDS":
            raise Moved
        self._tell_taken(follows, answer)
        return follows

    async def claim_external(self, account: str, order_id: str, leader: Leadership) -> bool:
        """Note that an order is nobody's here, for good; False when it is a placement's.

        Raises `Fenced` and `NotLookedUp`.
        """
        with _asking():
            return await self._writes.claim_external(account, order_id, leader)

    async def quarantine(self, account: str) -> str | None:
        """Why the account's records may not be whole; None when they are. Raises `NotLookedUp`."""
        with _asking():
            return await self._guard.look(account)

    async def reopen(self, account: str, reason: str) -> None:
        """End the quarantine: what the journal holds now is what it goes on from.

        Raises `NotLookedUp`.
        """
        with _asking():
            await self._guard.reopen(account, reason)

    async def drop(self, placements: Iterable[Placement]) -> int:
        """Forget placements that have had their outcome for long, and all ways to them.

        Gives how many: what has changed since it was read stays. Raises `NotLookedUp`.
        """
        with _asking():
            return sum([await self._writes.drop(each) for each in placements])

    async def _read(self, placement: Placement) -> tuple[bytes, Placement | None]:
        (raw,) = await self._records.values([record_key(*identity_of(placement))])
        return raw or b"", self._decoded(placement, raw or b"")

    def _decoded(self, placement: Placement, raw: bytes) -> Placement | None:
        return self._records.decode(record_key(*identity_of(placement)), raw) if raw else None

    async def _now(self) -> int:
        seconds, micros = await attempt(self._redis.time, tries=2)
        return int(seconds * 1000 + micros // 1000)

    def _tell_taken(self, placement: Placement, answer: list[Any]) -> None:
        if answer[0] == b"TAKEN":
            _log.critical(
                "journal.order_claimed_twice",
                placement=placement.id,
                order=None if placement.order is None else placement.order.order_id,
            )

    async def _between(self, key: str, lowest: float | str, highest: float | str) -> list[bytes]:
        found = await self._records.asked(lambda redis: redis.zrangebyscore(key, lowest, highest))
        return cast("list[bytes]", found)

    async def _standing(self, keys: Sequence[str | bytes]) -> list[Placement]:
        found: list[Placement | None] = []
        for start in range(0, len(keys), _CHUNK):
            found += await self._records.several(keys[start : start + _CHUNK])
        return [each for each in found if each is not None]


def _by_age(placements: Iterable[Placement]) -> tuple[Placement, ...]:
    return tuple(sorted(placements, key=lambda each: (each.created_at, each.id)))


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as away:
        raise NotLookedUp from away


def _told_to_its_sender(verdict: Verdict) -> bool:
    """Whether the exchange named the verdict's order in its answer to who sent it."""
    answered, order = verdict.placement.answered, verdict.order
    if answered is None or answered.answer is not Answer.ACCEPTED or answered.order is None:
        return False
    return order is not None and order.order_id == answered.order.order_id
