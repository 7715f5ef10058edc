"""The journal of an account as a whole, whoever placed what: for who leads it."""

from collections.abc import Iterable, Sequence

from redis.asyncio import Redis

from gateway.domain.placements import Placement, PlacementState
from gateway.store.journal_index import position_of
from gateway.store.journal_keys import (
    ended_key,
    fills_key,
    given_up_key,
    id_key,
    identity_of,
    index_key,
    order_key,
    record_key,
    unresolved_key,
)
from gateway.store.journal_reader import JournalReader
from gateway.store.journal_rules import record_of

_CHUNK = 500


class AccountJournal(JournalReader):
    """Everything here raises `NotLookedUp` when Redis is away. Corrupt records are left out."""

    async def unresolved(self, account: str) -> tuple[Placement, ...]:
        """What is SENDING, UNKNOWN or IN_DOUBT in Redis, in the order in which it was made."""
        entries = await self._records.asked(lambda redis: redis.hvals(unresolved_key(account)))
        found = await self._standing(map(record_of, entries))
        return tuple(each for each in found if each.unresolved)

    async def given_up(self, account: str) -> tuple[Placement, ...]:
        """What was lately found NOT_PLACED, and may turn out to have been placed late."""
        keys = await self._records.asked(lambda redis: redis.zrange(given_up_key(account), 0, -1))
        found = await self._standing(keys)
        return tuple(each for each in found if each.state is PlacementState.NOT_PLACED)

    async def accepted_since(self, account: str, ms: int) -> tuple[Placement, ...]:
        """What was found ACCEPTED at `ms` or later, by the clocks that `updated_at` is of."""
        keys = await self._records.asked(
            lambda redis: redis.zrangebyscore(ended_key(account), ms, "+inf")
        )
        found = await self._standing(keys)
        return tuple(each for each in found if each.state is PlacementState.ACCEPTED)

    async def ended_before(self, account: str, ms: int, most: int) -> tuple[Placement, ...]:
        """Up to `most` of the placements that have had their outcome since before `ms`."""
        keys = await self._records.asked(
            lambda redis: redis.zrangebyscore(ended_key(account), "-inf", f"({ms}", 0, most)
        )
        return await self._standing(keys)

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

    async def drop(self, placements: Sequence[Placement]) -> None:
        """Forget placements that have had their outcome for long, and all ways to them."""
        await self._records.asked(lambda redis: _drop(redis, placements))

    async def _standing(self, keys: Iterable[str | bytes]) -> tuple[Placement, ...]:
        asked = list(keys)
        found: list[Placement | None] = []
        for start in range(0, len(asked), _CHUNK):
            found += await self._records.several(asked[start : start + _CHUNK])
        standing = (each for each in found if each is not None)
        return tuple(sorted(standing, key=lambda each: (each.created_at, each.id)))


async def _drop(redis: Redis, placements: Sequence[Placement]) -> None:
    async with redis.pipeline() as together:
        for placement in placements:
            account, record = placement.command.account, record_key(*identity_of(placement))
            together.delete(record, id_key(placement.id))
            if placement.order is not None and placement.order.order_id is not None:
                together.delete(order_key(account, placement.order.order_id))
            together.zrem(ended_key(account), record)
            together.zrem(given_up_key(account), record)
            together.zrem(index_key(placement.principal, account), position_of(placement))
        await together.execute()
