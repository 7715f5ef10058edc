"""Log lines on switches and suspensions: each replica says what it holds from now on."""

from collections.abc import Iterable

import structlog

from gateway.domain.switches import Suspension, Switch
from gateway.store.switches import Standing

_log = structlog.get_logger(__name__)


def switches_changed(before: Standing, now: Standing) -> None:
    """Say what has changed between two looks."""
    _log_switches(before.switches, now.switches)
    _log_suspensions(before.suspensions, now.suspensions)


def _log_switches(before: Iterable[Switch], now: Iterable[Switch]) -> None:
    standing = {switch.scope for switch in now}
    for switch in set(now).difference(before):
        _log.warning(
            "switch.set",
            what=str(switch.scope),
            state=switch.state.value,
            reason=switch.reason,
            set_by=switch.set_by,
        )
    for scope in {switch.scope for switch in before}.difference(standing):
        _log.warning("switch.active", what=str(scope))


def _log_suspensions(before: Iterable[Suspension], now: Iterable[Suspension]) -> None:
    suspended = {suspension.principal for suspension in now}
    for suspension in set(now).difference(before):
        _log.warning(
            "principal.suspended",
            principal=suspension.principal,
            reason=suspension.reason,
            set_by=suspension.set_by,
        )
    for principal in {suspension.principal for suspension in before}.difference(suspended):
        _log.warning("principal.restored", principal=principal)
