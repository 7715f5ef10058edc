"""What the audit log says of orders, cancels and denials."""

from dataclasses import replace

from gateway.access.policy import Action
from gateway.access.principal import Caller
from gateway.domain.audit import AuditEvent, AuditKind
from gateway.domain.errors import (
    Forbidden,
    GatewayError,
    NotRecorded,
    NotYours,
    OverLimit,
    RateLimited,
    TradingHalted,
    UnknownAccount,
)
from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.money import plain
from gateway.domain.orders import PlaceOrder, shown_id
from gateway.domain.placements import Placement
from gateway.exchange import PreparedRequest
from gateway.services.audit import AuditTrail

_DENIALS = (
    Forbidden,
    KeyUnavailable,
    NotYours,
    OverLimit,
    RateLimited,
    TradingHalted,
    UnknownAccount,
)
_LONGEST = 128
"""How much of a text that nothing has checked yet is shown."""


def deny(
    audit: AuditTrail,
    caller: Caller,
    action: Action,
    account: str | None,
    error: GatewayError,
    *,
    asked: str = "",
    **detail: str,
) -> None:
    """Put on record that `error` kept the caller from `action`, if it is a denial.

    Of many alike, one entry a second tells how often; what the caller wrote makes none different,
    or it could fill the audit log. So `account` must be one that the policy declares, unless
    `error` is `UnknownAccount`; and `asked`, what the denied thing is called, is never its text.
    """
    if not isinstance(error, _DENIALS):
        return
    if asked:
        detail["asked"] = asked
    event = AuditEvent(
        kind=AuditKind.DENIED,
        principal=caller.id,
        account=None if account is None else account[:_LONGEST],
        action=action.value,
        rule=error.rule if isinstance(error, Forbidden | OverLimit) else None,
        outcome=error.code,
        trace_id=caller.trace_id,
        detail={name: text[:_LONGEST] for name, text in detail.items()},
    )
    limit = error.limit if isinstance(error, OverLimit | RateLimited) else None
    declared = None if isinstance(error, UnknownAccount) else account
    key = (caller.id, action, declared, event.outcome, event.rule, limit, asked)
    known = {"asked": asked} if asked else {}
    alike = replace(event, account=declared, trace_id=None, detail=known)
    audit.note_often(key, event, alike)


def order_terms(command: PlaceOrder) -> dict[str, str]:
    """An order's terms as the audit log's details."""
    return {
        "clientOrderId": shown_id(command.client_order_id),
        "symbol": command.symbol,
        "side": command.side.value,
        "type": command.type.value,
        **{name: plain(value) for name, value in command.spec.terms().items()},
    }


def order_sending(caller: Caller, placement: Placement, prepared: PreparedRequest) -> AuditEvent:
    """An order, signed, about to be recorded and sent."""
    return _of_order(caller, placement, prepared, "SENDING", **order_terms(placement.command))


def order_not_sent(
    caller: Caller, placement: Placement, prepared: PreparedRequest, standing: Placement | None
) -> AuditEvent:
    """An order that was signed, and never left: `standing` was before it, or it has no record."""
    if standing is None:
        return _of_order(caller, placement, prepared, NotRecorded.code)
    return _of_order(caller, placement, prepared, "REPLAYED", standing=standing.id)


def order_done(caller: Caller, placement: Placement, prepared: PreparedRequest) -> AuditEvent:
    """What became of an order that was sent."""
    detail = {}
    if placement.order is not None and placement.order.order_id is not None:
        detail["orderId"] = placement.order.order_id
    if placement.rejection is not None:
        detail["code"] = placement.rejection.code
    return _of_order(caller, placement, prepared, placement.state.value, **detail)


def order_resolved(placement: Placement) -> AuditEvent:
    """What the gateway found of an order whose outcome nobody was told."""
    detail = {"placement": placement.id, "digest": placement.digest}
    if placement.order is not None and placement.order.order_id is not None:
        detail["orderId"] = placement.order.order_id
    return AuditEvent(
        kind=AuditKind.ORDER,
        principal=placement.principal,
        account=placement.command.account,
        action=Action.ORDERS_PLACE.value,
        rule=placement.rule,
        outcome=f"RESOLVED_{placement.state.value}",
        detail=detail,
    )


def cancel_event(
    caller: Caller,
    account: str,
    order_id: str,
    prepared: PreparedRequest,
    rule: str,
    outcome: str,
) -> AuditEvent:
    """A cancel: SENDING, or what became of it."""
    return AuditEvent(
        kind=AuditKind.CANCEL,
        principal=caller.id,
        account=account,
        action=prepared.endpoint,
        rule=rule,
        outcome=outcome,
        trace_id=caller.trace_id,
        detail={"orderId": order_id, "key": str(prepared.request.key), "digest": prepared.digest},
    )


def cancel_joined(caller: Caller, account: str, order_id: str, rule: str) -> AuditEvent:
    """A cancel that was asked for while another caller's of the same order was under way."""
    return AuditEvent(
        kind=AuditKind.CANCEL,
        principal=caller.id,
        account=account,
        action=Action.ORDERS_CANCEL.value,
        rule=rule,
        outcome="JOINED",
        trace_id=caller.trace_id,
        detail={"orderId": order_id},
    )


def _of_order(
    caller: Caller, placement: Placement, prepared: PreparedRequest, outcome: str, **detail: str
) -> AuditEvent:
    request = {"key": str(prepared.request.key), "digest": placement.digest}
    return AuditEvent(
        kind=AuditKind.ORDER,
        principal=caller.id,
        account=placement.command.account,
        action=prepared.endpoint,
        rule=placement.rule,
        outcome=outcome,
        trace_id=caller.trace_id,
        detail={"placement": placement.id, **detail, **request},
    )
