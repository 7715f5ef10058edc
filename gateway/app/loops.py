"""What runs for as long as the service does."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

from gateway.access.candidate import CandidateFile
from gateway.access.policy_file import PolicyFile
from gateway.app.checks import follow_accounts
from gateway.app.duties import Duties
from gateway.app.edges import Edges
from gateway.app.foundation import Foundation
from gateway.app.given import Given
from gateway.domain.errors import JournalUnavailable
from gateway.domain.market import Trade
from gateway.domain.streams import FeedEvent, Update
from gateway.schema.context import Services
from gateway.services.audit import AuditTrail
from gateway.services.loops import Loop
from gateway.services.policy_audit import policy_refused, policy_taken_over
from gateway.web.event_streams import EventStreams
from gateway.web.open_sockets import OpenSockets

_REDIS_WATCH_S = 2.0


def record_loops(base: Foundation) -> dict[str, Loop]:
    """Those that write what the others put on record, by name: they begin first and end last."""
    return {
        "audit": base.governance.audit.run,
        "journal": base.stores.journal.run,
    }


def build_loops(
    base: Foundation, services: Services, edges: Edges, duties: Duties
) -> dict[str, Loop]:
    """All others, each by the name that the log knows it by."""
    given, stores, governance = base.given, base.stores, base.governance
    upstream, settings = base.upstream, given.settings

    return {
        "switches": lambda: governance.switch.run(settings.switch_poll_s),
        "back-off": lambda: governance.back_off.run(settings.switch_poll_s),
        "rates": lambda: stores.rates.watch(_REDIS_WATCH_S),
        "issuers": governance.issuer_keys.run,
        "virtual-keys": governance.virtual_keys.run,
        "journal-server": lambda: stores.watch_server(_REDIS_WATCH_S),
        "quarantines": lambda: _look_for_quarantines(base),
        "window": duties.window.run,
        "leaders": lambda: duties.leaders.run(lambda: given.keyring.readable),
        "cache-watch": lambda: stores.cache.watch(_REDIS_WATCH_S),
        "market-data": services.market_data.run,
        "feed": lambda: upstream.feed.run(partial(_take, base, services)),
        "accounts": upstream.account_streams.run,
        "keys": lambda: base.keys.run(settings.keys_reload_s),
        "exchange": lambda: services.exchange.follow(settings.clock_sync_s),
        "gauges": lambda: _follow_gauges(base, duties),
        "sockets": lambda: _recheck(edges.opened, settings.policy_reload_s),
        "event-streams": lambda: _recheck(edges.event_streams, settings.policy_reload_s),
        **_policy_loops(given, governance.audit),
    }


def _take(base: Foundation, services: Services, event: FeedEvent) -> None:
    services.streams.receive(event)
    match event:
        case Update(value=Trade(time=traded)) if (now := base.upstream.clock.now()) is not None:
            # Its clock and our idea of it differ a little, and nothing comes before it happened.
            base.given.metrics.feed_lag_seconds.observe(max(now - traded, 0) / 1000)
        case _:
            pass


async def _look_for_quarantines(base: Foundation) -> None:
    while True:
        for account in base.given.keyring.accounts:
            with suppress(JournalUnavailable):
                await base.stores.journal.quarantine(account)
        await asyncio.sleep(_REDIS_WATCH_S)


async def _follow_gauges(base: Foundation, duties: Duties) -> None:
    while True:
        follow_accounts(base.given, base.upstream, duties.leaders)
        await asyncio.sleep(base.given.settings.keys_reload_s)


async def _recheck(opened: OpenSockets | EventStreams, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await opened.recheck()


def _policy_loops(given: Given, audit: AuditTrail) -> dict[str, Loop]:
    def watch(file: PolicyFile | CandidateFile, role: str) -> Awaitable[None]:
        return file.watch(
            given.settings.policy_reload_s,
            lambda new: audit.note(policy_taken_over(role, new)),
            lambda: audit.note(policy_refused(role)),
        )

    loops: dict[str, Loop] = {"policy": lambda: watch(given.policy_file, "in-force")}
    candidate = given.candidate_file
    if candidate is not None:
        loops["candidate"] = lambda: watch(candidate, "try-out")
    return loops
