"""What runs for as long as the service does."""

import asyncio

from gateway.access.policy import Policy
from gateway.app.checks import follow_accounts
from gateway.app.edges import Edges
from gateway.app.foundation import Foundation
from gateway.app.given import Given
from gateway.app.governance import Governance
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.schema.context import Services
from gateway.services.loops import Loop

_REDIS_WATCH_S = 2.0


def record_loops(base: Foundation) -> dict[str, Loop]:
    """Those that write what the others put on record, by name: they begin first and end last."""
    return {
        "audit": base.governance.audit.run,
        "journal": base.stores.journal.run,
        "budgets": base.stores.budgets.run,
    }


def build_loops(base: Foundation, services: Services, edges: Edges) -> dict[str, Loop]:
    """All others, each by the name that the log knows it by."""
    given, stores, governance = base.given, base.stores, base.governance
    upstream, settings = base.upstream, given.settings

    async def follow_gauges() -> None:
        while True:
            follow_accounts(given, upstream)
            await asyncio.sleep(settings.keys_reload_s)

    async def recheck_sockets() -> None:
        while True:
            await asyncio.sleep(settings.policy_reload_s)
            await edges.sockets.recheck()

    return {
        "switches": lambda: governance.switch.run(settings.switch_poll_s),
        "back-off": lambda: governance.back_off.run(settings.switch_poll_s),
        "rates": lambda: stores.rates.watch(_REDIS_WATCH_S),
        "issuers": governance.issuer_keys.run,
        "journal-watch": lambda: stores.journal.watch(_REDIS_WATCH_S),
        "cache-watch": lambda: stores.cache.watch(_REDIS_WATCH_S),
        "market-data": services.market_data.run,
        "feed": lambda: upstream.feed.run(services.streams.receive),
        "accounts": upstream.account_streams.run,
        "keys": lambda: base.keys.run(settings.keys_reload_s),
        "exchange": lambda: services.exchange.follow(settings.clock_sync_s),
        "gauges": follow_gauges,
        "sockets": recheck_sockets,
        **_policy_loops(given, governance),
    }


def _policy_loops(given: Given, governance: Governance) -> dict[str, Loop]:
    every_s, candidate = given.settings.policy_reload_s, given.candidate_file

    def changed(what: str, policy: Policy) -> None:
        event = AuditEvent(
            kind=AuditKind.POLICY,
            principal=GATEWAY,
            action=what,
            outcome="OK",
            detail={"revision": policy.revision},
        )
        governance.audit.note(event)

    changed("in-force", given.policy())
    loops: dict[str, Loop] = {
        "policy": lambda: given.policy_file.watch(every_s, lambda new: changed("in-force", new))
    }
    if candidate is not None:
        loops["candidate"] = lambda: candidate.watch(every_s, lambda new: changed("try-out", new))
    return loops
