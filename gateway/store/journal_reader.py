"""Reading the journal: single placements, those of orders, and pages of a principal's."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from redis.asyncio import Redis

from gateway.domain.placements import Placement, PlacementPage
from gateway.store.journal_index import client_order_id_at, page_of, position_at, position_of
from gateway.store.journal_keys import (
    EXTERNAL,
    Identity,
    id_key,
    identity_of,
    index_key,
    order_key,
    record_key,
)
from gateway.store.journal_outcomes import was_withdrawn
from gateway.store.journal_records import JournalRecords
from gateway.store.spool import Spool

_CHUNK = 100


class JournalReader:
    """Reads what stands in the journal, and what waits in memory to be written.

    Everything here raises `NotLookedUp` when Redis is away.
    """

    def __init__(self, redis: Redis, spool: Spool) -> None:
        self._redis = redis
        self._spool = spool
        self._records = JournalRecords(redis)

    async def get(self, placement_id: str) -> Placement | None:
        """The placement with this id."""
        waiting = self._spool.get(placement_id)
        if waiting is not None:
            return waiting
        (record,) = await self._records.values([id_key(placement_id)])
        found = None if record is None else await self._records.one(record)
        return found if found is not None and found.id == placement_id else None

    async def find(self, principal: str, account: str, client_order_id: str) -> Placement | None:
        """The placement that stands for this principal, account and client order id."""
        identity = (principal, account, client_order_id)
        waiting = self._waiting_for(identity)
        if waiting is not None and not was_withdrawn(waiting):
            return waiting
        return self._standing_for(identity, await self._records.one(record_key(*identity)))

    async def of_orders(self, account: str, order_ids: Sequence[str]) -> dict[str, Placement]:
        """The placements by the ids of the orders that they placed; others are left out.

        So are those whose record is corrupt: one must not hide all others.
        """
        keys = [order_key(account, order_id) for order_id in order_ids]
        pairs = zip(order_ids, await self._records.values(keys), strict=True)
        records = {order_id: key for order_id, key in pairs if key not in (None, EXTERNAL)}
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

    async def _newest_first(
        self, principal: str, account: str, before: str | None
    ) -> AsyncGenerator[tuple[str, Placement | None]]:
        """Every position of the principal's in an account, from below `before` on.

        With the placement that stands there; None where nothing does, or nothing readable.
        """
        index = index_key(principal, account)
        waiting: dict[str, Placement] = {}
        while True:
            positions = await self._records.positions(index, before, _CHUNK)
            found = await self._placements_at(principal, account, positions)
            waiting |= self._waiting_by_position(principal, account)
            down_to = positions[-1] if len(positions) == _CHUNK else ""
            for position, placement in waiting.items():
                if down_to <= position and (before is None or position < before):
                    recorded = found.get(position)
                    if recorded is not None or not was_withdrawn(placement):
                        found[position] = _newer(placement, recorded)
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

    def _standing_for(self, identity: Identity, recorded: Placement | None) -> Placement | None:
        """What stands, given what is on record: what was withdrawn gives way to whatever is."""
        waiting = self._waiting_for(identity)
        return recorded if waiting is None else _newer(waiting, recorded)

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


def _newer(waiting: Placement, recorded: Placement | None) -> Placement:
    """What waits to be written is newer than what is on record; but what was withdrawn gives way.

    Another process may have sent the order since, under another placement's id.
    """
    if recorded is None or recorded.id == waiting.id or not was_withdrawn(waiting):
        return waiting
    return recorded
