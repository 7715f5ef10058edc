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
from gateway.domain.order_errors import AgainstRules, DuplicateOrder, LaneUnresolved
from gateway.domain.placements import Answer, Answered, PlacementState, Rejection
from gateway.exchange import CODES_TO_RECONCILE


def rejection_of(error: GatewayError) -> Rejection:
    """What a caller is told when this request did nothing on the exchange."""
    told = Rejection(code=error.code, message=str(error), retryable=error.retryable)
    match error:
        case Refused(name=name, exchange_code=code, retry=retry):
            return replace(told, code=name, exchange_code=code, retryable=retry)
        case OverLimit(rule=rule, retry_after=retry_after):
            return replace(told, rule=rule, retry_after=retry_after)
        case Forbidden(rule=rule) | AgainstRules(rule=rule):
            return replace(told, rule=rule)
        case DuplicateOrder(retry_after=retry_after) | LaneUnresolved(retry_after=retry_after):
            return replace(told, retry_after=retry_after)
        case KeyStopped(exchange_code=code):
            return replace(told, exchange_code=code)
        case RateLimited(retry_after=retry_after):
            told = replace(told, message=f"{error}; nothing was sent", retry_after=retry_after)
        case NotSent():
            told = replace(told, message=f"{error}; nothing was sent: try again")
    return told


def state_after(failure: ExchangeFailure) -> tuple[PlacementState, Rejection | None]:
    """The state in which the answer `failure` leaves a recorded order, and why nothing stands.

    A refusal after which part of the order may have traded leaves it UNKNOWN.
    """
    match failure:
        case Refused(exchange_code=code) if code in CODES_TO_RECONCILE:
            return PlacementState.UNKNOWN, None
        case Refused():
            return PlacementState.REJECTED, rejection_of(failure)
        case NotSent():
            # It is recorded: the same id would give the same answer for good.
            rejection = rejection_of(failure)
            message = f"{rejection.message}, under a new clientOrderId"
            return PlacementState.NOT_SENT, replace(rejection, message=message)
        case _:
            return PlacementState.UNKNOWN, None


def answered_by(failure: ExchangeFailure, at: int) -> Answered | None:
    """What `failure`, learnt at `at` (ms), proves of the one request that carried an order.

    None: nothing.
    """
    match failure:
        case Refused(exchange_code=code):
            return Answered(Answer.REFUSED, at, exchange_code=code)
        case NotSent():
            return Answered(Answer.NOT_SENT, at)
        case _:
            return None


def evidence_of(failure: ExchangeFailure) -> str | None:
    """What is known beyond the failure's plain meaning."""
    match failure:
        case Refused(exchange_code=code, meaning=meaning) if code in CODES_TO_RECONCILE:
            return f"{meaning} ({code}): part of it may have traded; looking at fills and orders"
        case Refused() | NotSent():
            return None
        case _:
            return str(failure)
