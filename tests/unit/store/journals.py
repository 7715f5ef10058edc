"""Journals for tests: on a Redis that is held to be sound, and never to change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from gateway.domain.leadership import Leadership
from gateway.domain.placements import Placement
from gateway.store.durability import Durability
from gateway.store.journal import OrderJournal
from gateway.store.journal_keys import ended_key, identity_of, record_key
from gateway.store.leases import AccountLeases
from tests.unit.store.examples import open_patient
from tests.valkey import ValkeyServer

SERVER = "0" * 40
LEASE_MS = 20_000
LAPSED = 0
"""A lease that has lapsed as soon as Redis' clock moves on."""


def journal_on(redis: Redis, *, server: str = SERVER, **settings: Any) -> OrderJournal:  # noqa: ANN401 - those of the journal
    """A journal of a process to which Redis appears as `server`, and durable."""
    sound = Durability(problem=None, wait=None, run_id=server)
    return OrderJournal(redis, server=lambda: server, durability=lambda: sound, **settings)


@asynccontextmanager
async def journal_of(
    valkey: ValkeyServer,
    **settings: Any,  # noqa: ANN401 - as above
) -> AsyncIterator[tuple[OrderJournal, Redis]]:
    """A journal of a process of its own."""
    async with open_patient(valkey.url) as redis:
        yield journal_on(redis, **settings), redis


async def begin(journal: OrderJournal, intent: Placement, lease_ms: int = LEASE_MS) -> Placement:
    """Begin an intent, and see that it is what stands."""
    begun = await journal.begin(intent, lease_ms=lease_ms)
    assert begun == replace(intent, begun_at=begun.begun_at, lease_until=begun.lease_until)
    return begun


async def ended_at(redis: Redis, placement: Placement, ms: int) -> None:
    """Have a placement's outcome recorded at a moment of Redis' clock."""
    record = record_key(*identity_of(placement))
    await redis.zadd(ended_key(placement.command.account), {record: ms})


async def lost(journal: OrderJournal, intent: Placement) -> Placement:
    """Begin an intent, and take it over as whose sender is gone."""
    begun = await begin(journal, intent, LAPSED)
    while (unknown := await journal.lapse(begun)) is None:
        pass  # Redis' clock goes on with each look
    return unknown


async def lead(redis: Redis, account: str = "demo") -> Leadership:
    """Lead an account from now on, whoever did before."""
    leases = AccountLeases(redis)
    while (leadership := await leases.acquire(account, "leader", 60_000)) is None:
        pass
    return leadership
