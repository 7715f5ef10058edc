"""The Redis side: what may be lost in one, what must be kept in the other."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from gateway.app.given import Given, wall_ms
from gateway.domain.durations import DAY_MS
from gateway.store.account_events import AccountEventStore
from gateway.store.audit_stream import AuditStream
from gateway.store.back_off import BackOffStore
from gateway.store.breaker import Breaker
from gateway.store.budgets import Budgets
from gateway.store.dead_man import DeadManStore
from gateway.store.durability import ServerWatch
from gateway.store.journal import OrderJournal
from gateway.store.leases import AccountLeases
from gateway.store.market_cache import MarketCache
from gateway.store.rates import RateStore
from gateway.store.redis import open_redis
from gateway.store.replays import ReplayStore
from gateway.store.switches import SwitchStore
from gateway.store.virtual_keys import VirtualKeyStore

_REDIS_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Stores:
    """The market cache in one Redis, and all else in the other, whose `server` is watched."""

    cache: MarketCache
    server: ServerWatch
    look_at_server: Callable[[], Awaitable[None]]
    watch_server: Callable[[float], Awaitable[None]]
    journal: OrderJournal
    budgets: Budgets
    leases: AccountLeases
    dead_man: DeadManStore
    events: AccountEventStore
    switches: SwitchStore
    rates: RateStore
    back_off: BackOffStore
    virtual_keys: VirtualKeyStore
    replays: ReplayStore
    audit: AuditStream


async def open_stores(stack: AsyncExitStack, given: Given) -> Stores:
    """Build them; nothing connects yet. Their clients close with `stack`."""
    settings, metrics = given.settings, given.metrics
    open_with = partial(
        open_redis,
        connect_timeout=settings.redis_timeout_s,
        command_timeout=settings.redis_timeout_s,
        max_connections=_REDIS_CONNECTIONS,
    )
    cache = MarketCache(
        await stack.enter_async_context(open_with(settings.cache_redis_url.get_secret_value())),
        breaker=Breaker(failures=3, pause_s=1.0, clock=time.monotonic),
        count=lambda fault: metrics.cache_failures.labels(fault.value).inc(),
        wall_ms=wall_ms,
    )
    server = ServerWatch()
    state_url = settings.state_redis_url.get_secret_value()
    state = await stack.enter_async_context(open_with(state_url, on_server=server.connected))
    return Stores(
        cache=cache,
        server=server,
        look_at_server=partial(server.look, state),
        watch_server=partial(server.run, state),
        journal=_journal(server, given)(state),
        budgets=Budgets(state, patience_s=settings.redis_timeout_s),
        leases=AccountLeases(state),
        dead_man=DeadManStore(state),
        events=AccountEventStore(state, settings.account_event_entries),
        switches=SwitchStore(state),
        rates=RateStore(state, on_local=metrics.rates_local.inc),
        back_off=BackOffStore(state),
        virtual_keys=VirtualKeyStore(state),
        replays=ReplayStore(state),
        audit=AuditStream(
            state,
            retention_ms=settings.audit_retention_days * DAY_MS,
            most=settings.audit_entries,
        ),
    )


def _journal(server: ServerWatch, given: Given) -> partial[OrderJournal]:
    settings = given.settings
    return partial(
        OrderJournal,
        server=lambda: server.run_id,
        volatile=settings.journal_accept_volatile,
        durability=lambda: server.durability,
        keep_events=settings.account_event_entries,
        late_watch_ms=settings.late_watch_s * 1000,
        spool_limit=settings.journal_spool,
        watch=given.watch("journal", given.metrics.journal_seconds),
    )
