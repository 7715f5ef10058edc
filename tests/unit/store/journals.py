"""Journals for tests: on a Redis that is held to be sound, and never to change."""

from typing import Any

from redis.asyncio import Redis

from gateway.store.durability import Durability
from gateway.store.journal import OrderJournal

SERVER = "0" * 40
LEASE_MS = 20_000


def journal_on(redis: Redis, *, server: str = SERVER, **settings: Any) -> OrderJournal:  # noqa: ANN401 - those of the journal
    """A journal of a process to which Redis appears as `server`, and durable."""
    sound = Durability(problem=None, wait=None, run_id=server)
    return OrderJournal(redis, server=lambda: server, durability=lambda: sound, **settings)
