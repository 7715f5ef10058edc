"""What a person decides: outcomes that the gateway could not find out, and quarantines."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import structlog

from gateway.access.policy import Action, Policy
from gateway.access.principal import Caller
from gateway.domain.audit import AuditEvent, AuditKind
from gateway.domain.errors import BadUserInput, Forbidden, UnknownAccount
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.exchange import ExchangeClient, is_order_id
from gateway.services.audit import AuditTrail
from gateway.services.closed_orders import ClosedOrders, may_be_traded
from gateway.services.order_audit import deny
from gateway.services.signed_reads import SignedReads
from gateway.services.trading_switch import check_reason
from gateway.store.journal import Claimed, Moved, OrderJournal

T = TypeVar("T")

_UNSEEN = (
    "no such order is open, none was seen, and nothing was traded that could be its: check the id; "
    "if it was cancelled without a trade, say NOT_PLACED"
)

_log = structlog.get_logger(__name__)


class Decision(StrEnum):
    """What a person may find of an order."""

    PLACED = "PLACED"
    NOT_PLACED = "NOT_PLACED"


_STATES = {
    Decision.PLACED: PlacementState.ACCEPTED,
    Decision.NOT_PLACED: PlacementState.NOT_PLACED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person found of a placement, and why; `order_id` if it was PLACED and has one."""

    placement_id: str
    decision: Decision
    order_id: str | None
    reason: str


class ResolvePlacements:
    """Shows and settles what has no outcome, for those who may `operate` the account.

    `exchange_now` in ms by the exchange's clock, at the most. Whatever is changed is on record
    before it is, with who did it and why.
    """

    def __init__(
        self,
        *,
        journal: OrderJournal,
        reads: SignedReads,
        exchange: ExchangeClient,
        closed: ClosedOrders,
        policy: Callable[[], Policy],
        audit: AuditTrail,
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._journal = journal
        self._reads = reads
        self._exchange = exchange
        self._closed = closed
        self._policy = policy
        self._audit = audit
        self._exchange_now = exchange_now

    async def unresolved(self, caller: Caller, account: str) -> tuple[Placement, ...]:
        """The placements of an account that have no outcome, whoever asked for them.

        Raises `Forbidden`, `UnknownAccount` and `NotLookedUp`.
        """
        self._require(caller, account, "unresolvedPlacements")
        return tuple(await self._journal.unresolved(account))

    async def one(self, caller: Caller, placement_id: str) -> Placement | None:
        """A placement of an account that the caller may operate, whoever asked for it, or None.

        Raises `NotLookedUp`.
        """
        placement = await self._journal.get(placement_id)
        if placement is None:
            return None
        account = placement.command.account
        decision = self._policy().decide(caller.id, Action.OPERATE, account)
        return placement if decision.allowed else None

    async def resolve(self, caller: Caller, judgement: Judgement) -> Placement:
        """Settle a placement; of one that was settled alike before, the record as it stands.

        An order that is PLACED must be open, or have been told of by the account's stream. One that
        ended unseen, while the stream was broken, is taken if trades since it was signed may be
        its; what was cancelled without a trade is NOT_PLACED as well.

        Raises `Forbidden`, `BadUserInput` (no such placement, not a person's to judge, an order
        that nobody has seen, that is another's or of other terms, a reason that is none), what
        reading the open orders and fills raises, `AuditUnavailable`: then nothing has changed; and
        `NotLookedUp`.
        """
        placement = await self._journal.get(judgement.placement_id)
        account = None if placement is None else placement.command.account
        rule = self._require(caller, account, "resolvePlacement")
        if placement is None:
            raise BadUserInput("id", "no placement has this id")
        check_reason(judgement.reason)
        if _is_settled_so(placement, judgement):
            return placement
        self._check_due(placement)
        _check_order_id(placement, judgement)
        verdict = await self._verdict(caller, placement, judgement)
        event = _resolution(caller, placement, judgement, rule)
        return await self._on_record(event, lambda: self._settle(caller, verdict, judgement))

    async def reopen(self, caller: Caller, account: str, reason: str) -> None:
        """End an account's quarantine; no matter if there is none.

        Raises `Forbidden`, `UnknownAccount`, `BadUserInput` (a reason that is none),
        `AuditUnavailable`: then nothing has changed; and `NotLookedUp`.
        """
        rule = self._require(caller, account, "reopenAccount")
        check_reason(reason)
        event = AuditEvent(
            kind=AuditKind.SWITCH,
            principal=caller.id,
            action="reopenAccount",
            outcome="SENDING",
            account=account,
            rule=rule,
            trace_id=caller.trace_id,
            detail={"reason": reason},
        )
        await self._on_record(event, lambda: self._journal.reopen(account, reason))
        _log.warning("account.reopened", account=account, by=caller.id, reason=reason)

    def _require(self, caller: Caller, account: str | None, asked: str) -> str:
        """The id of the grant that allows it, on the account or on all of them."""
        policy = self._policy()
        decision = policy.decide(caller.id, Action.OPERATE, account)
        if not decision.allowed:
            denial = Forbidden(Action.OPERATE, decision.rule)
            declared = account if account in policy.accounts else None
            deny(self._audit, caller, Action.OPERATE, declared, denial, asked=asked)
            raise denial
        if account is not None and account not in policy.accounts:
            raise UnknownAccount(account)
        return decision.rule

    def _check_due(self, placement: Placement) -> None:
        """Refuse what is settled, and what the gateway may still find out by itself."""
        now, by = self._exchange_now(), placement.resolve_by
        due = now is not None and by is not None and by < now
        match placement.state:
            case PlacementState.IN_DOUBT:
                return
            case PlacementState.UNKNOWN if due:
                return
            case PlacementState.UNKNOWN | PlacementState.SENDING:
                raise BadUserInput("id", "the gateway still looks for its outcome: see resolveBy")
        problem = f"its outcome is known: {placement.state}; a person changes it no more"
        raise BadUserInput("id", problem)

    async def _verdict(self, caller: Caller, placement: Placement, judgement: Judgement) -> Verdict:
        placed = judgement.decision is Decision.PLACED
        return Verdict(
            placement=placement,
            state=_STATES[judgement.decision],
            evidence=placement.evidence or "",
            order=await self._order(caller, placement, judgement.order_id) if placed else None,
        )

    async def _order(self, caller: Caller, placement: Placement, order_id: str | None) -> Order:
        """The order as it was seen last, else as it was ordered: what has ended cannot be read.

        Raises `BadUserInput` for one of another market, side or type, and for one that cannot be.
        """
        ordered = _as_ordered(placement, order_id)
        if order_id is None:
            return ordered
        found = await self._seen(caller, placement.command.account, order_id)
        if found is None:
            await self._require_traded(caller, placement.command.account, ordered)
            return ordered
        if (found.symbol, found.side, found.type) != (ordered.symbol, ordered.side, ordered.type):
            problem = f"it is a {found.type} {found.side} of {found.symbol}, not what was asked for"
            raise BadUserInput("orderId", problem)
        return found

    async def _seen(self, caller: Caller, account: str, order_id: str) -> Order | None:
        orders = await self._reads.read(account, self._exchange.open_orders, caller)
        found = next((each for each in orders if each.order_id == order_id), None)
        return found or await self._closed.last_seen(account, order_id)

    async def _require_traded(self, caller: Caller, account: str, ordered: Order) -> None:
        fills = await self._reads.read(account, self._exchange.fills, caller)
        if not may_be_traded(ordered, fills):
            raise BadUserInput("orderId", _UNSEEN)

    async def _settle(self, caller: Caller, verdict: Verdict, judgement: Judgement) -> Placement:
        try:
            resolved = await self._journal.resolve(
                verdict, leader=None, by=caller.id, reason=judgement.reason
            )
        except Claimed:
            raise BadUserInput("orderId", "another placement has it") from None
        except Moved:
            raise BadUserInput("id", "its state has just changed: look again") from None
        _log.warning(
            "order.resolved",
            placement=resolved.id,
            account=resolved.command.account,
            state=resolved.state.value,
            by=caller.id,
            reason=judgement.reason,
        )
        return resolved

    async def _on_record(self, event: AuditEvent, change: Callable[[], Awaitable[T]]) -> T:
        await self._audit.require(event)
        # Whoever asked may go away meanwhile, and then it may stand or not.
        outcome = "UNKNOWN"
        try:
            done = await change()
            outcome = "OK"
        except BadUserInput as refused:
            outcome = refused.code
            raise
        finally:
            self._audit.note(replace(event, outcome=outcome))
        return done


def _check_order_id(placement: Placement, judgement: Judgement) -> None:
    needed = judgement.decision is Decision.PLACED and not placement.command.immediate
    if needed and not judgement.order_id:
        raise BadUserInput("orderId", "name the order: a limit or stop-limit order has an id")
    if needed and not is_order_id(judgement.order_id or ""):
        raise BadUserInput("orderId", "expected an order id of the exchange: letters and digits")
    if not needed and judgement.order_id is not None:
        problem = "leave it out: what was not placed, and a market or fast order, has none"
        raise BadUserInput("orderId", problem)


def _is_settled_so(placement: Placement, judgement: Judgement) -> bool:
    """Whether the judgement changes nothing: the gateway, or somebody, found the same before."""
    known = None if placement.order is None else placement.order.order_id
    same_order = judgement.order_id in (None, known)
    return placement.state is _STATES[judgement.decision] and same_order


def _as_ordered(placement: Placement, order_id: str | None) -> Order:
    command, terms = placement.command, placement.command.spec
    return Order(
        order_id=order_id,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        status=OrderStatus.CLOSED_UNKNOWN,
        time=placement.signed_at,
        price=terms.price,
        quantity=terms.quantity,
        quote_total=terms.quote_total,
        stop_price=terms.stop_price,
    )


def _resolution(
    caller: Caller, placement: Placement, judgement: Judgement, rule: str
) -> AuditEvent:
    order = {} if judgement.order_id is None else {"orderId": judgement.order_id}
    return AuditEvent(
        kind=AuditKind.ORDER,
        principal=caller.id,
        action="resolvePlacement",
        outcome="SENDING",
        account=placement.command.account,
        rule=rule,
        trace_id=caller.trace_id,
        detail={
            "placement": placement.id,
            "of": placement.principal,
            "decision": judgement.decision.value,
            **order,
            "reason": judgement.reason,
        },
    )
