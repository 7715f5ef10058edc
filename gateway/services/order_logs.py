"""Log lines on orders and cancels: one for each, whose it was and what became of it.

A line is a warning when somebody must look: nobody knows what the exchange did, or only whoever
runs the gateway can mend what it refused.
"""

import structlog

from gateway.access.policy import Principal
from gateway.domain.errors import GatewayError, JournalUnavailable, Refused, Unclear
from gateway.domain.order_errors import OrderClosedUnknown, OrderFilled, OrderNotFound
from gateway.domain.orders import PlaceOrder, shown_id
from gateway.domain.placements import Placement, PlacementState
from gateway.exchange import CODES_FOR_THE_OPERATOR
from gateway.services.order_outcomes import rejection_of

_log = structlog.get_logger(__name__)

_LONGEST = 64
_LONGEST_ORDER_ID = 72
"""How much of a text that nothing has checked yet is shown; the exchange's ids are that long."""


def order_ended(placement: Placement) -> None:
    """Say what became of an order that was recorded."""
    command, rejection = placement.command, placement.rejection
    code = rejection and rejection.exchange_code
    look = placement.state is PlacementState.UNKNOWN or code in CODES_FOR_THE_OPERATOR
    (_log.warning if look else _log.info)(
        "order.ended",
        placement=placement.id,
        principal=placement.principal,
        account=command.account,
        client_order_id=shown_id(command.client_order_id),
        symbol=command.symbol,
        side=command.side.value,
        type=command.type.value,
        state=placement.state.value,
        order_id=placement.order and placement.order.order_id,
        code=rejection and rejection.code,
        exchange_code=code,
        evidence=placement.evidence,
    )


def order_refused(principal: Principal, command: PlaceOrder, error: GatewayError) -> None:
    """Say why an order was neither recorded nor sent."""
    rejection = rejection_of(error)
    (_log.warning if isinstance(error, JournalUnavailable) else _log.info)(
        "order.refused",
        principal=principal.id,
        account=command.account[:_LONGEST],
        client_order_id=shown_id(command.client_order_id)[:_LONGEST],
        symbol=command.symbol[:_LONGEST],
        side=command.side.value,
        type=command.type.value,
        code=rejection.code,
        exchange_code=rejection.exchange_code,
    )


def cancel_ended(
    principal: Principal, account: str, order_id: str, failure: GatewayError | None
) -> None:
    """Say what became of a cancel; without a `failure` the exchange carried it out."""
    unclear = isinstance(failure, Unclear)
    rejection = None if failure is None or unclear else rejection_of(failure)
    code = rejection and rejection.exchange_code
    look = unclear or code in CODES_FOR_THE_OPERATOR
    (_log.warning if look else _log.info)(
        "cancel.ended",
        principal=principal.id,
        account=account[:_LONGEST],
        order_id=order_id[:_LONGEST_ORDER_ID],
        state=_state_after(failure),
        code=rejection and rejection.code,
        exchange_code=code,
        evidence=str(failure) if unclear else None,
    )


def _state_after(failure: GatewayError | None) -> str:
    match failure:
        case None:
            return "CANCELLED"
        case Unclear():
            return "UNKNOWN"
        case Refused() | OrderFilled() | OrderClosedUnknown() | OrderNotFound():
            return "REJECTED"
        case _:
            return "NOT_SENT"
