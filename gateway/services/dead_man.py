"""Dead-man switches: an app that falls silent has its open orders cancelled.

Whoever leads the account carries that out, from Redis and by the clock of Redis: so it happens
whichever replica lives, and after a restart.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from gateway.access.policy import Action
from gateway.access.principal import Caller
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.errors import BadUserInput, GatewayError, TradingHalted
from gateway.domain.leadership import Leadership
from gateway.domain.order_errors import DeadManUnavailable
from gateway.services.audit import AuditTrail
from gateway.services.authority import Authority
from gateway.services.cancel_all import CancelAll, CancelledAll
from gateway.services.loops import end_all
from gateway.services.order_audit import deny
from gateway.store.dead_man import DeadManStore, Lapse
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

SHORTEST_S, LONGEST_S = 1, 3600
RULE = "dead-man-switch"

_EVERY_S = 0.2
_SLOWEST_S = 2.0


class DeadManSwitches:
    """Each principal has one on each account: armed for some seconds, again and again.

    A switch that lapses cancels what is open of the principal's on the account, and goes on until
    a reading shows nothing open and no order of it is SENDING or UNKNOWN, and for `ready_within_s`
    at least: an order that was being prepared when the switch lapsed is recorded by then, or never.
    One in doubt is a person's: it keeps no lapse open, which names it when it is done. Who arms or
    disarms the switch after that does not stop this: it only spares what is placed from then on.
    HALTED stops it, until the switch is another. `on_fired` is told of each lapse, once by each
    process that carries it out.
    """

    def __init__(
        self,
        *,
        store: DeadManStore,
        authority: Authority,
        cancel_all: CancelAll,
        audit: AuditTrail,
        random_bytes: Callable[[int], bytes],
        ready_within_s: float,
        on_fired: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._authority = authority
        self._cancel_all = cancel_all
        self._audit = audit
        self._random_bytes = random_bytes
        self._ready_within_s = ready_within_s
        self._on_fired = on_fired
        self._firings: dict[tuple[str, str], _Firing] = {}
        self._under_way: set[tuple[str, str]] = set()

    @property
    def under_way(self) -> int:
        """How many lapses this process carries out now."""
        return len(self._under_way)

    @property
    def problem(self) -> str | None:
        """Which lapses are not carried out yet, of the accounts that this process leads."""
        names = ", ".join(
            f"{principal} on {account}" for account, principal in sorted(self._under_way)
        )
        return f"lapsed, and orders are still being cancelled: {names}" if names else None

    async def arm(self, caller: Caller, account: str, seconds: int) -> int:
        """Arm the caller's switch for `seconds` (1 to 3600) from now; return when it lapses (ms).

        Raises `BadUserInput`, `UnknownAccount`, `Forbidden` without orders:cancel, and
        `DeadManUnavailable`.
        """
        rule = self._require(caller, account, "armDeadManSwitch")
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise BadUserInput("seconds", f"expected {SHORTEST_S} to {LONGEST_S}")
        try:
            armed = await self._store.arm(account, caller.id, seconds * 1000)
        except StoreUnavailable as away:
            raise DeadManUnavailable from away
        if not armed.renewed:
            self._audit.note(_asked(caller, account, "armDeadManSwitch", rule))
        return armed.expires_at

    async def disarm(self, caller: Caller, account: str) -> None:
        """Disarm the caller's switch, if it is armed; raises as `arm` does."""
        rule = self._require(caller, account, "disarmDeadManSwitch")
        try:
            await self._store.disarm(account, caller.id)
        except StoreUnavailable as away:
            raise DeadManUnavailable from away
        self._audit.note(_asked(caller, account, "disarmDeadManSwitch", rule))

    async def standing(self, account: str, principal_id: str) -> int | None:
        """Until when (ms) the principal's switch is armed; None when it is not.

        Raises `DeadManUnavailable`.
        """
        try:
            return await self._store.standing(account, principal_id)
        except StoreUnavailable as away:
            raise DeadManUnavailable from away

    async def lapsed_at(self, account: str, principal_id: str) -> int | None:
        """When (ms) the principal's switch lapsed, while its orders are still being cancelled.

        What it places then is cancelled too, unless it armed or disarmed its switch before. None
        when no lapse is under way. Raises `DeadManUnavailable`.
        """
        try:
            lapse = await self._store.lapse(account, principal_id)
        except StoreUnavailable as away:
            raise DeadManUnavailable from away
        return None if lapse is None else lapse.lapsed_at

    async def fire(self, leadership: Leadership) -> None:
        """Carry out what lapses on the account, until cancelled."""
        account = leadership.account
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for lapse in await self._lapsed(account):
                    before = running.get(lapse.principal)
                    if before is None or before.done():
                        if before is not None:
                            before.result()  # a fault of ours ends this, and it begins anew
                        carrying_out = asyncio.create_task(self._carry_out(account, lapse))
                        running[lapse.principal] = carrying_out
                await asyncio.sleep(_EVERY_S)
        finally:
            await end_all(tuple(running.values()))

    async def _lapsed(self, account: str) -> tuple[Lapse, ...]:
        """What is to be carried out; nothing new while Redis cannot be asked."""
        try:
            return await self._store.lapsed(account)
        except StoreUnavailable as away:
            _log.warning("dead_man.away", account=account, cause=away.cause)
            return ()

    async def _carry_out(self, account: str, lapse: Lapse) -> None:
        """Cancel until nothing is left, and forget the lapse unless it is another one by then."""
        firing = self._firing_of(account, lapse)
        self._under_way.add(firing.key)
        try:
            await self._until_done(firing)
        finally:
            self._under_way.discard(firing.key)

    def _firing_of(self, account: str, lapse: Lapse) -> "_Firing":
        """A lapse stays the same one when its principal is heard of meanwhile."""
        known = self._firings.get((account, lapse.principal))
        if known is not None and known.lapse.lapsed_at == lapse.lapsed_at:
            known.lapse = lapse
            return known
        firing = _Firing(account, lapse, self._random_bytes(16).hex())
        self._firings[firing.key] = firing
        self._on_fired()
        self._note(firing, "LAPSED")
        _log.warning("dead_man.lapsed", **firing.names)
        return firing

    async def _until_done(self, firing: "_Firing") -> None:
        before: CancelledAll | None = None
        pause, recorded_at = _EVERY_S, _now() + self._ready_within_s
        while True:
            all_recorded = _now() >= recorded_at
            found = await self._cancel(firing)
            if found is not None:
                firing.cancelled.update(found.cancelled, found.acknowledged)
            if found is not None and found.nothing_to_wait_for and all_recorded:
                await self._done(firing, found)
                return
            if _halted(found) and not _halted(before):
                self._note(firing, TradingHalted.code)
                _log.error("dead_man.halted", **firing.names)
            # What stays as it is, a halt or an exchange that is away, may do so for days.
            pause = _EVERY_S if found != before else min(2 * pause, _SLOWEST_S)
            before = found
            await asyncio.sleep(pause)

    async def _done(self, firing: "_Firing", found: CancelledAll) -> None:
        with suppress(StoreUnavailable):
            if not await self._store.carried_out(firing.account, firing.lapse):
                return
            doubtful = {"inDoubt": " ".join(found.in_doubt)} if found.in_doubt else {}
            self._note(firing, "DONE", cancelled=str(len(firing.cancelled)), **doubtful)
            (_log.error if found.in_doubt else _log.warning)(
                "dead_man.fired",
                **firing.names,
                state="DONE",
                cancelled=len(firing.cancelled),
                in_doubt=found.in_doubt,
            )

    async def _cancel(self, firing: "_Firing") -> CancelledAll | None:
        """Cancel once, and say what is left; None when that cannot be told."""
        account, principal = firing.key
        try:
            return await self._cancel_all.cancel_for(
                principal,
                account,
                until=lambda: self._back_at(account, principal),
                rule=f"{RULE} of {principal}",
                trace_id=firing.trace_id,
            )
        except GatewayError as failure:
            _log.warning("dead_man.failing", **firing.names, problem=str(failure))
            return None

    async def _back_at(self, account: str, principal: str) -> int | None:
        """When the principal was heard of again; 0 where its lapse is carried out already."""
        try:
            lapses = await self._store.lapsed(account)
        except StoreUnavailable as away:
            raise DeadManUnavailable from away
        return next((each.back_at for each in lapses if each.principal == principal), 0)

    def _note(self, firing: "_Firing", outcome: str, **detail: str) -> None:
        lapse = firing.lapse
        event = AuditEvent(
            kind=AuditKind.CANCEL,
            principal=GATEWAY,
            account=firing.account,
            action=RULE,
            outcome=outcome,
            trace_id=firing.trace_id,
            detail={"of": lapse.principal, "lapsedAt": str(lapse.lapsed_at), **detail},
        )
        self._audit.note(event)

    def _require(self, caller: Caller, account: str, asked: str) -> str:
        try:
            return self._authority.require(caller, Action.ORDERS_CANCEL, account).rule
        except GatewayError as denial:
            deny(self._audit, caller, Action.ORDERS_CANCEL, account, denial, asked=asked)
            raise


@dataclass(slots=True)
class _Firing:
    """One lapse while it is carried out, and the orders that were cancelled for it so far."""

    account: str
    lapse: Lapse
    trace_id: str
    cancelled: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        return self.account, self.lapse.principal

    @property
    def names(self) -> dict[str, str]:
        return {"account": self.account, "principal": self.lapse.principal}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _halted(found: CancelledAll | None) -> bool:
    return found is not None and any(why.code == TradingHalted.code for _, why in found.failed)


def _asked(caller: Caller, account: str, action: str, rule: str) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.CANCEL,
        principal=caller.id,
        account=account,
        action=action,
        rule=rule,
        outcome="OK",
        trace_id=caller.trace_id,
    )
