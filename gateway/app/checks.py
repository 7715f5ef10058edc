"""What /readyz tells of each part, and the gauges that tell the same to a monitor."""

import time
from functools import partial

from gateway.app.duties import Duties
from gateway.app.foundation import Foundation
from gateway.app.given import Given
from gateway.app.stores import Stores
from gateway.app.upstream import Upstream
from gateway.domain.placements import UNRESOLVED
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.leadership import AccountLeaders
from gateway.web.health import Check, StartGate


def build_checks(base: Foundation, exchange: ExchangeStatus, duties: Duties) -> dict[str, Check]:
    """Each says what is wrong with a part, or None."""
    _set_gauges(base, exchange)
    _set_gauges_of_orders(base, duties)
    given, stores, governance = base.given, base.stores, base.governance
    upstream, keys = base.upstream, base.keys
    feed, candidate = upstream.feed, given.candidate_file
    checks: dict[str, Check] = {
        "policy": lambda: given.policy_file.problem,
        "candidate": lambda: None if candidate is None else candidate.problem,
        "issuers": lambda: governance.issuer_keys.problem,
        "virtual-keys": lambda: governance.virtual_keys.problem,
        "accounts": lambda: _without_keys(given),
        "keys": lambda: keys.problem,
        "logins": lambda: _refused_logins(upstream),
        "streams": lambda: _unfollowed(upstream),
        "cache": lambda: None if stores.cache.available else "the cache Redis is away",
        "journal": lambda: stores.server.problem,
        "quarantine": lambda: stores.journal.problem,
        "orders": lambda: duties.unresolved.problem,
        "dead-man": lambda: duties.dead_man.problem,
        "export": lambda: duties.retention.problem,
        "window": lambda: duties.window.problem,
        "audit": lambda: governance.audit.problem,
        "switches": lambda: governance.switch.problem,
        "rates": lambda: _unshared(stores),
        "exchange": lambda: governance.back_off.problem or exchange.problem,
        "feed": lambda: None if feed.state.connected else "the exchange's stream is not connected",
        "clock": lambda: None if upstream.clock.now() else "the exchange's time is not known",
    }
    for part, check in checks.items():
        given.metrics.problem.labels(part).set_function(partial(_is_problem, check))
    return checks


def build_start_gate(base: Foundation) -> StartGate:
    """What stands in the settings as an address has been reached once, or is not one."""
    stores, upstream = base.stores, base.upstream
    reached = {
        "cache": lambda: stores.cache.reached,
        "journal": lambda: stores.server.durability is not None,
        "feed": lambda: upstream.feed.state.connected,
        "clock": lambda: upstream.clock.now() is not None,
    }
    return StartGate(reached, wait_s=base.given.settings.start_wait_s, clock=time.monotonic)


def _is_problem(check: Check) -> bool:
    return check() is not None


def _set_gauges(base: Foundation, exchange: ExchangeStatus) -> None:
    given, governance = base.given, base.governance
    upstream, keys, metrics = base.upstream, base.keys, base.given.metrics
    metrics.policy_refused.set_function(lambda: given.policy_file.problem is not None)
    metrics.issuer_problem.set_function(lambda: governance.issuer_keys.problem is not None)
    metrics.key_problem.set_function(lambda: keys.not_taken)
    metrics.switches_set.set_function(lambda: len(governance.switch.known.switches))
    metrics.principals_suspended.set_function(lambda: len(governance.switch.known.suspensions))
    metrics.audit_problem.set_function(lambda: governance.audit.problem is not None)
    metrics.audit_pending.set_function(governance.audit.pending)
    metrics.exchange_answers.set_function(lambda: exchange.problem is None)
    metrics.exchange_backs_off.set_function(lambda: governance.back_off.seconds_left > 0)
    metrics.feed_connected.labels("public").set_function(lambda: upstream.feed.state.connected)


def _set_gauges_of_orders(base: Foundation, duties: Duties) -> None:
    stores, metrics, keyring = base.stores, base.given.metrics, base.given.keyring
    metrics.journal_spooled.set_function(stores.journal.pending)
    metrics.journal_problem.set_function(lambda: stores.server.problem is not None)
    metrics.accounts_quarantined.set_function(lambda: len(stores.journal.quarantines))
    metrics.journal_export_problem.set_function(lambda: duties.retention.problem is not None)
    metrics.dead_man_under_way.set_function(lambda: duties.dead_man.under_way)
    for state in UNRESOLVED:
        count, age = partial(duties.unresolved.count, state), partial(duties.unresolved.age, state)
        metrics.placements_unresolved.labels(state.value).set_function(count)
        metrics.placements_oldest_seconds.labels(state.value).set_function(age)
    metrics.window_unenforced.set_function(lambda: duties.window.unenforced)
    metrics.accounts.set_function(lambda: len(keyring.accounts))


def follow_accounts(given: Given, upstream: Upstream, leaders: AccountLeaders) -> None:
    """Set the gauges of accounts and keys as they are now: both come and go."""
    metrics = given.metrics
    for gauge in (
        metrics.account_connected,
        metrics.feed_login_refused,
        metrics.account_unread,
        metrics.account_led,
        metrics.key_stopped,
    ):
        gauge.clear()
    for account, stream in upstream.account_streams.all().items():
        metrics.account_connected.labels(account).set(stream.connected)
        metrics.feed_login_refused.labels(account).set(stream.login_refused)
        metrics.account_unread.labels(account).set(stream.problem is not None)
        metrics.account_led.labels(account).set(leaders.leads(account))
    for status in given.keyring.slots():
        slot = (status.slot.account, status.slot.purpose.value)
        metrics.key_stopped.labels(*slot).set(status.stopped is not None)


def _without_keys(given: Given) -> str | None:
    missing = set(given.policy().accounts).difference(given.keyring.accounts)
    return f"no credentials for {', '.join(sorted(missing))}" if missing else None


def _refused_logins(upstream: Upstream) -> str | None:
    streams = upstream.account_streams.all()
    names = [account for account, stream in streams.items() if stream.login_refused]
    return f"the exchange refuses the stream of {', '.join(names)}" if names else None


def _unfollowed(upstream: Upstream) -> str | None:
    streams = upstream.account_streams.all()
    away = [account for account, stream in streams.items() if not stream.connected]
    problems = [f"the stream of {', '.join(away)} is not connected"] if away else []
    problems += [
        f"{account} cannot be read: {stream.problem}"
        for account, stream in streams.items()
        if stream.problem
    ]
    return "; ".join(problems) or None


def _unshared(stores: Stores) -> str | None:
    return "rates are not shared with other replicas" if stores.rates.away else None


__all__ = ["build_checks", "build_start_gate", "follow_accounts"]
