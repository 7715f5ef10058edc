"""What one replica does for an account on behalf of all: the account's leader."""

import sys
from dataclasses import dataclass

from gateway.app.given import wall_ms
from gateway.app.unresolved import Unresolved
from gateway.app.use_cases import Trade
from gateway.domain.durations import DAY_MS
from gateway.domain.placements import Placement
from gateway.domain.resolution import Terms
from gateway.services.account_reporter import AccountReporter
from gateway.services.dead_man import DeadManSwitches
from gateway.services.journal_retention import JournalRetention
from gateway.services.leadership import AccountLeaders
from gateway.services.pictures import Pictures
from gateway.services.resolver import Resolver
from gateway.services.window_probe import WindowProbe
from gateway.store.line_file import line_file


@dataclass(frozen=True, slots=True)
class Duties:
    """Who leads which account, and what is known of what the leaders do.

    `window`: whether silence proves anything; `retention`: what is dropped in the end.
    """

    leaders: AccountLeaders
    window: WindowProbe
    retention: JournalRetention
    unresolved: Unresolved
    dead_man: DeadManSwitches


def build_duties(trade: Trade) -> Duties:
    """Build them; the loops of `leaders` and `window` are run by the app."""
    base, settings = trade.base, trade.base.given.settings
    window = WindowProbe(
        exchange=base.upstream.exchange,
        reads=base.upstream.reads,
        accounts=lambda: base.given.keyring.readable,
    )
    retention = JournalRetention(
        journal=base.stores.journal,
        export=line_file(settings.journal_export_file, sys.stdout, name="journal_export"),
        open_orders=base.upstream.account_streams.open_order_ids,
        keep_ms=settings.journal_retention_days * DAY_MS,
        wall_ms=wall_ms,
    )
    unresolved = Unresolved(wall_ms)
    leaders = AccountLeaders(
        leases=base.stores.leases,
        owner=base.governance.replica,
        ttl_s=settings.account_lease_s,
        duties={
            "resolver": _resolver(trade, window, unresolved).run,
            "reporter": _reporter(trade).run,
            "dead-man switches": trade.dead_man.fire,
            "retention": retention.run,
        },
        server=lambda: base.stores.server.run_id,
        on_failed=base.given.loop_failed,
    )
    return Duties(leaders, window, retention, unresolved, trade.dead_man)


def _resolver(trade: Trade, window: WindowProbe, unresolved: Unresolved) -> Resolver:
    base, upstream, settings = trade.base, trade.base.upstream, trade.base.given.settings

    def terms() -> Terms:
        return Terms(
            guard=int(settings.order_guard_s * 1000),
            spacing=int(settings.resolve_spacing_s * 1000),
            within=int(settings.resolve_within_s * 1000),
            late_watch=settings.late_watch_s * 1000,
            fenced=window.fenced,
        )

    return Resolver(
        journal=base.stores.journal,
        pictures=Pictures(
            streams=upstream.account_streams,
            exchange=upstream.exchange,
            reads=upstream.reads,
            exchange_now=upstream.clock.now,
        ),
        streams=upstream.account_streams,
        market_data=trade.market_data,
        terms=terms,
        now=wall_ms,
        exchange_now=upstream.clock.now,
        audit=base.governance.audit,
        on_docket=unresolved.take,
        on_resolved=lambda placement, seconds: _resolved(trade, placement, seconds),
        on_late=lambda placement: _late(trade, placement),
    )


def _resolved(trade: Trade, placement: Placement, seconds: float) -> None:
    metrics = trade.base.given.metrics
    metrics.placements_resolved.labels(placement.state.value).inc()
    metrics.resolution_seconds.observe(seconds)
    # Whose order it is must be known without Redis too: cancels do not wait for it.
    trade.recent.add(placement)


def _late(trade: Trade, placement: Placement) -> None:
    trade.base.given.metrics.placements_late.inc()
    trade.recent.add(placement)


def _reporter(trade: Trade) -> AccountReporter:
    base, upstream = trade.base, trade.base.upstream
    return AccountReporter(
        streams=upstream.account_streams,
        journal=base.stores.journal,
        events=base.stores.events,
        now=wall_ms,
        exchange_now=upstream.clock.now,
    )
