"""Stopping trade, and people: switches and suspensions, at once on all replicas.

Every order and every cancel asks Redis for the switches as they are now. `run` keeps them at hand
besides, for what cannot wait for Redis, and for while it is away.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from gateway.access.policy import Action, Policy
from gateway.access.principal import Caller
from gateway.domain.account import TradingState
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.errors import (
    BadUserInput,
    Forbidden,
    SwitchesUnavailable,
    SwitchesUnread,
    TradingHalted,
    UnknownAccount,
)
from gateway.domain.switches import Scope, Suspension, Switch, strictest
from gateway.services.audit import AuditTrail
from gateway.services.order_audit import deny
from gateway.services.switch_logs import switches_changed
from gateway.store.redis import StoreUnavailable
from gateway.store.switches import Standing, SwitchStore

_log = structlog.get_logger(__name__)

LONGEST_REASON = 200

_NEVER_READ = Switch(
    Scope(), TradingState.CANCEL_ONLY, "the switches could not be read yet", GATEWAY, 0
)


class TradingSwitch:
    """What may be sent now, and who is suspended; sets both for those who may `operate`.

    While they cannot be read no order is sent, and what was read last holds for all else; before
    anything was read, nobody counts as suspended. `problem` says that the last look failed.
    """

    def __init__(
        self,
        *,
        store: SwitchStore,
        policy: Callable[[], Policy],
        audit: AuditTrail,
        wall_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._policy = policy
        self._audit = audit
        self._wall_ms = wall_ms
        self._known: Standing | None = None
        self._suspended: frozenset[str] = frozenset()
        self._begun = 0
        self._taken = 0
        self.problem: str | None = None

    @property
    def known(self) -> Standing:
        """What was read last; nothing before that."""
        return self._known or Standing()

    def suspended(self, principal_id: str) -> bool:
        """Whether the principal was suspended at the last look."""
        return principal_id in self._suspended

    async def check_place(self, principal_id: str, account: str) -> None:
        """Raise `TradingHalted` if no order of the principal's may be sent for the account.

        Raises `SwitchesUnread` when that cannot be known: since the last look somebody may have set
        a switch.
        """
        try:
            await self._read()
        except SwitchesUnavailable as away:
            raise SwitchesUnread from away
        _allow(self._holding(principal_id, account), TradingState.ACTIVE)

    async def check_cancel(self, principal_id: str, account: str) -> None:
        """Raise `TradingHalted` if no cancel may be sent; it waits for no Redis known to be away.

        Of CANCEL_ONLY and HALTED, only the latter keeps cancels from being sent.
        """
        if self.problem is None:
            await self._look()
        holding = self._holding(principal_id, account)
        _allow(holding, TradingState.ACTIVE, TradingState.CANCEL_ONLY)

    async def check_own_cancel(self, principal_id: str, account: str) -> None:
        """As `check_cancel`, for a cancel that the gateway sends by itself for the principal.

        No suspension stops that: who is suspended cannot look after its orders.
        """
        if self.problem is None:
            await self._look()
        holding = strictest(self.known.switches, principal_id, account)
        _allow(holding, TradingState.ACTIVE, TradingState.CANCEL_ONLY)

    async def state(self, principal_id: str, account: str) -> Switch | None:
        """The switch that holds for what the principal does with the account; None: all ACTIVE."""
        await self._look()
        return self._holding(principal_id, account)

    async def switches(self, caller: Caller) -> tuple[Switch, ...]:
        """The switches that are not ACTIVE.

        Who may operate some accounts alone gets those of everything and of these. Raises
        `Forbidden` and `SwitchesUnavailable`.
        """
        policy = self._policy()
        operated = {
            account
            for account in policy.accounts
            if policy.decide(caller.id, Action.OPERATE, account).allowed
        }
        if not operated:
            self._require(caller, None, "tradingSwitches")
        every = policy.decide(caller.id, Action.OPERATE).allowed
        return tuple(
            switch
            for switch in (await self._read()).switches
            if every or switch.scope == Scope() or switch.scope.account in operated
        )

    async def suspensions(self, caller: Caller) -> tuple[Suspension, ...]:
        """Who is suspended. Raises `Forbidden` and `SwitchesUnavailable`."""
        self._require(caller, None, "suspensions")
        return (await self._read()).suspensions

    async def set(self, caller: Caller, scope: Scope, state: TradingState, reason: str) -> Switch:
        """Set a switch; ACTIVE removes it. It is on record before it holds.

        Raises `Forbidden`, `UnknownAccount` and `BadUserInput` (an unknown principal, a reason that
        is none), `AuditUnavailable`: then nothing has changed; and `SwitchesUnavailable`.
        """
        rule = self._require(caller, scope.account, "setTradingState")
        self._require_known(scope)
        check_reason(reason)
        event = AuditEvent(
            kind=AuditKind.SWITCH,
            principal=caller.id,
            action="setTradingState",
            outcome="SENDING",
            account=scope.account,
            rule=rule,
            trace_id=caller.trace_id,
            detail={"scope": str(scope), "state": state.value, "reason": reason},
        )
        switch = Switch(scope, state, reason, caller.id, self._wall_ms())
        await self._change(event, lambda: self._store.set(switch))
        return switch

    async def suspend(self, caller: Caller, principal: str, reason: str) -> Suspension:
        """Refuse every token of a principal until it is restored.

        Its open WebSockets close. Raises what `set` raises, and `BadUserInput` when it is the
        caller: somebody else must be able to undo it.
        """
        event = self._access_event(caller, "suspendPrincipal", principal, reason)
        if principal == caller.id:
            raise BadUserInput("principal", "nobody may suspend themselves")
        suspension = Suspension(principal, reason, caller.id, self._wall_ms())
        await self._change(event, lambda: self._store.suspend(suspension))
        return suspension

    async def restore(self, caller: Caller, principal: str, reason: str) -> None:
        """Take a principal's tokens again; no matter if it was not suspended. Raises as `set`."""
        event = self._access_event(caller, "restorePrincipal", principal, reason)
        await self._change(event, lambda: self._store.restore(principal))

    async def run(self, every_s: float) -> None:
        """Look every `every_s` seconds, for ever."""
        while True:
            await self._look()
            await asyncio.sleep(every_s)

    def _holding(self, principal_id: str, account: str) -> Switch | None:
        if self._known is None:
            return _NEVER_READ
        for each in self._known.suspensions:
            if each.principal == principal_id:  # its socket may not be closed yet
                scope = Scope(principal=principal_id)
                return Switch(scope, TradingState.HALTED, each.reason, each.set_by, each.set_at)
        return strictest(self._known.switches, principal_id, account)

    def _access_event(self, caller: Caller, action: str, principal: str, reason: str) -> AuditEvent:
        rule = self._require(caller, None, action)
        self._require_known(Scope(principal=principal))
        check_reason(reason)
        return AuditEvent(
            kind=AuditKind.ACCESS,
            principal=caller.id,
            action=action,
            outcome="SENDING",
            rule=rule,
            trace_id=caller.trace_id,
            detail={"principal": principal, "reason": reason},
        )

    def _require(self, caller: Caller, account: str | None, asked: str) -> str:
        """The id of the grant that allows it; raises `Forbidden`, which goes on record."""
        policy = self._policy()
        decision = policy.decide(caller.id, Action.OPERATE, account)
        if not decision.allowed:
            denial = Forbidden(Action.OPERATE, decision.rule)
            declared = account if account in policy.accounts else None
            deny(self._audit, caller, Action.OPERATE, declared, denial, asked=asked)
            raise denial
        return decision.rule

    def _require_known(self, scope: Scope) -> None:
        """Refuse what neither the policy nor a standing switch names: it would stop nothing."""
        policy, known = self._policy(), self.known
        accounts = {*policy.accounts, *(switch.scope.account for switch in known.switches)}
        if scope.account is not None and scope.account not in accounts:
            raise UnknownAccount(scope.account)
        principals = {
            *(principal.id for principal in policy.principals()),
            *(switch.scope.principal for switch in known.switches),
            *(suspension.principal for suspension in known.suspensions),
        }
        if scope.principal is not None and scope.principal not in principals:
            problem = f"the policy knows no principal {scope.principal[:64]!r}"
            raise BadUserInput("principal", problem)

    async def _change(self, event: AuditEvent, write: Callable[[], Awaitable[None]]) -> None:
        await self._audit.require(event)
        # Whoever asked may go away meanwhile, and then it may stand or not.
        outcome = "UNKNOWN"
        try:
            await write()
            outcome = "OK"
        except StoreUnavailable as away:
            raise SwitchesUnavailable from away
        finally:
            self._audit.note(replace(event, outcome=outcome))
        await self._look()

    async def _look(self) -> None:
        with suppress(SwitchesUnavailable):
            await self._read()

    async def _read(self) -> Standing:
        self._begun += 1
        begun = self._begun
        try:
            standing = await self._store.read()
        except StoreUnavailable as away:
            self._away(away)
            raise SwitchesUnavailable from away
        # What was asked for earlier, and comes later, may be older.
        if begun > self._taken:
            self._taken = begun
            self._take(standing)
        return standing

    def _away(self, away: StoreUnavailable) -> None:
        if self.problem is None:
            _log.warning("switches.away", cause=away.cause)
        self.problem = "the switches cannot be read: no order is sent, cancels as was read last"

    def _take(self, standing: Standing) -> None:
        if self.problem is not None:
            _log.info("switches.back")
        before, self._known, self.problem = self.known, standing, None
        self._suspended = frozenset(each.principal for each in standing.suspensions)
        switches_changed(before, standing)


def _allow(switch: Switch | None, *states: TradingState) -> None:
    if switch is not None and switch.state not in states:
        raise TradingHalted(str(switch.scope), switch.state.value, switch.reason)


def check_reason(reason: str) -> None:
    """Raise `BadUserInput` for what does not stand on one line, or is too long for one."""
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        problem = f"expected 1 to {LONGEST_REASON} printable characters on one line"
        raise BadUserInput("reason", problem)
