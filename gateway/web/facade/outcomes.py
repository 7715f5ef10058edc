"""What the gateway's failures and placements are called in the exchange's language.

A client of the exchange knows its codes alone. What it cannot know of, the policy, other apps, the
real key and the state of the gateway, is told by a code after which it would do the same: not
repeat it (20011), or come back later (10038 for an order). Nothing that may have happened is called
a refusal.
"""

from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import (
    BadUserInput,
    Forbidden,
    GatewayError,
    NotYours,
    OverLimit,
    RateLimited,
    Refused,
    UnknownAccount,
    UnknownSymbol,
)
from gateway.domain.order_errors import (
    AgainstRules,
    DuplicateOrder,
    LaneUnresolved,
    OrderClosedUnknown,
    OrderFilled,
    OrderNotFound,
)
from gateway.domain.orders import Order
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.stop_errors import NotBegun
from gateway.exchange import ERROR_CODES, ORDER_NOT_OPEN
from gateway.web.facade import codes
from gateway.web.facade.access import Access
from gateway.web.facade.refusals import CANCEL_UNKNOWN, OUTCOME_UNKNOWN, Refusal, refusal_of

_NUMBERS = {row.name: row.code for row in ERROR_CODES.values()}
_OF_FIELDS = {
    "asset": codes.UNKNOWN_SYMBOL,
    "orderId": ORDER_NOT_OPEN,
    "clientOrderId": codes.NOT_PROVEN,
}
"""A signature that was used for another order is a replayed one."""

_OF_TROUBLE = {
    Access.PUBLIC: codes.UNEXPECTED,
    Access.READ: codes.UNEXPECTED,
    Access.ORDER: codes.MARKET_DISABLED,
    Access.CANCEL: codes.NOT_ALLOWED,
    Access.WITHDRAW: codes.NOT_ALLOWED,
}


LATER_S = 3.0
"""When to come back after trouble of which nobody knows how long it lasts."""


def refusal_for(error: GatewayError, access: Access) -> Refusal:
    """What a caller is told when this request did nothing on the exchange."""
    code = _code_for(error)
    refusal = refusal_of(code or _OF_TROUBLE[access])
    if isinstance(error, OverLimit | RateLimited | DuplicateOrder | LaneUnresolved | NotBegun):
        refusal.retry_after = error.retry_after
    elif code is None:
        refusal.retry_after = LATER_S
    return refusal


def _code_for(error: GatewayError) -> str | None:
    """The code that says it; None for trouble of the gateway's own."""
    code = None
    match error:
        case Refused(exchange_code=given) if given not in codes.OF_THE_REAL_KEY:
            code = given
        case AgainstRules(code=name):
            code = _NUMBERS[name]
        case UnknownSymbol():
            code = codes.UNKNOWN_SYMBOL
        case BadUserInput(field=field):
            code = _OF_FIELDS.get(field, codes.INVALID)
        case NotProven(cause=cause) if cause is not Cause.KEYS_AWAY:
            code = codes.NOT_PROVEN
        case OrderNotFound() | OrderFilled() | OrderClosedUnknown():
            code = ORDER_NOT_OPEN
        case Forbidden() | UnknownAccount() | NotYours():
            code = codes.NOT_ALLOWED
        case OverLimit() | RateLimited() | DuplicateOrder() | LaneUnresolved():
            code = codes.NOT_ALLOWED
    return code


def unsure(access: Access) -> Refusal:
    """What a caller is told when nobody knows whether this request did anything."""
    if not access.mutates:
        return refusal_of(codes.UNEXPECTED)
    msg = CANCEL_UNKNOWN if access is Access.CANCEL else OUTCOME_UNKNOWN
    return Refusal(codes.UNEXPECTED, msg)


def order_of(placement: Placement) -> Order | None:
    """The order that a placement made, if it is known; raises Refusal if none stands for sure."""
    if placement.state is PlacementState.ACCEPTED:
        return placement.order
    if placement.unresolved:
        raise unsure(Access.ORDER)
    rejection = placement.rejection
    if placement.state is PlacementState.REJECTED and rejection is not None:
        code = rejection.exchange_code
        if code is not None and code not in codes.OF_THE_REAL_KEY:
            raise refusal_of(code)
    raise refusal_of(codes.MARKET_DISABLED, retry_after=LATER_S)
