"""What a failure says of an order or a cancel, and what its caller is told."""

from dataclasses import replace

from gateway.domain.errors import (
    ExchangeFailure,
    Forbidden,
    GatewayError,
    NotSent,
    OverLimit,
    RateLimited,
    Refused,
)
from gateway.domain.key_errors import KeyStopped
from gateway.domain.placements import PlacementState, Rejection
from gateway.exchange import CODES_TO_RECONCILE


def rejection_of(error: GatewayError) -> Rejection:
    """What a caller is told when this request did nothing on the exchange."""
    told = Rejection(code=error.code, message=str(error), retryable=error.retryable)
    match error:
        case Refused(name=name, exchange_code=code, retry=retry):
            return replace(told, code=name, exchange_code=code, retryable=retry)
        case OverLimit(rule=rule, retry_after=retry_after):
            return replace(told, rule=rule, retry_after=retry_after)
        case Forbidden(rule=rule):
            return replace(told, rule=rule)
        case KeyStopped(exchange_code=code):
            return replace(told, exchange_code=code)
        case RateLimited(retry_after=retry_after):
            return replace(told, message=f"{error}; nothing was sent", retry_after=retry_after)
        case NotSent():
            told = replace(told, message=f"{error}; nothing was sent: try again")
    return told


def state_after(failure: ExchangeFailure) -> tuple[PlacementState, Rejection | None]:
    """The state in which a recorded order ends by `failure`, and why if nothing stands."""
    match failure:
        case Refused():
            return PlacementState.REJECTED, rejection_of(failure)
        case NotSent():
            # It is recorded: the same id would give the same answer for good.
            rejection = rejection_of(failure)
            message = f"{rejection.message}, under a new clientOrderId"
            return PlacementState.NOT_SENT, replace(rejection, message=message)
        case _:
            return PlacementState.UNKNOWN, None


def evidence_of(failure: ExchangeFailure) -> str | None:
    """What is known beyond the failure's plain meaning."""
    match failure:
        case Refused(exchange_code=code) if code in CODES_TO_RECONCILE:
            return f"{failure.meaning}: part of it may have traded; look at fills and open orders"
        case Refused() | NotSent():
            return None
        case _:
            return str(failure)
