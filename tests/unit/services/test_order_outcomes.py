import pytest

from gateway.domain.errors import (
    ExchangeFailure,
    Forbidden,
    GatewayError,
    NotRecorded,
    NotSent,
    OverLimit,
    RateLimited,
    Refused,
    Unclear,
)
from gateway.domain.key_errors import KeyStopped, NoKey
from gateway.domain.order_errors import AgainstRules, DuplicateOrder, LaneUnresolved, OrderFilled
from gateway.domain.placements import Answer, Answered, PlacementState, Rejection
from gateway.services.order_outcomes import answered_by, evidence_of, rejection_of, state_after

S = PlacementState
REFUSED = Refused("e", "10031", "INSUFFICIENT_BALANCE", "too little", "lower it", retry=False)
WASH_TRADING = Refused("e", "10041", "WASH_TRADING_CANCELLED", "own", "look", retry=False)
NOT_SENT = NotSent("e", "connect")
UNCLEAR = Unclear("e", "timeout")
AGAINST = AgainstRules("account.balance", "too little", "INSUFFICIENT_BALANCE")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REFUSED, ("INSUFFICIENT_BALANCE", "10031", False, None)),
        (NOT_SENT, ("EXCHANGE_UNAVAILABLE", None, True, None)),
        (Forbidden("orders:place", "rule-7"), ("FORBIDDEN", None, False, "rule-7")),
        (OverLimit("trade", "open_orders", "full"), ("OVER_LIMIT", None, False, "trade")),
        (OverLimit("trade", "day_notional", "full", 9.5), ("OVER_LIMIT", None, True, "trade")),
        (KeyStopped("demo", "trade", "20001"), ("KEY_UNAVAILABLE", "20001", True, None)),
        (NoKey("demo", "trade"), ("KEY_UNAVAILABLE", None, True, None)),
        (NotRecorded(), ("JOURNAL_UNAVAILABLE", None, True, None)),
        (AGAINST, ("INSUFFICIENT_BALANCE", None, False, "account.balance")),
        (OrderFilled("o1"), ("ORDER_FILLED", None, False, None)),
    ],
)
def test_a_caller_is_told_the_code_of_what_kept_the_request(
    error: GatewayError, told: tuple[object, ...]
) -> None:
    found = rejection_of(error)
    assert (found.code, found.exchange_code, found.retryable, found.rule) == told


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("orders trade", 2.5),
        OverLimit("trade", "day_notional", "full", 2.5),
        DuplicateOrder("demo.1", 2.5),
        LaneUnresolved("demo.1", 2.5),
    ],
)
def test_a_caller_is_told_when_time_alone_may_have_helped(error: GatewayError) -> None:
    assert (rejection_of(error).retryable, rejection_of(error).retry_after) == (True, 2.5)


def test_only_an_order_that_was_recorded_as_not_sent_needs_another_id() -> None:
    assert rejection_of(NOT_SENT).message.endswith("nothing was sent: try again")
    _, rejection = state_after(NOT_SENT)
    assert isinstance(rejection, Rejection)
    assert rejection.message.endswith("try again, under a new clientOrderId")


@pytest.mark.parametrize(
    ("failure", "state", "evident"),
    [
        (REFUSED, S.REJECTED, False),
        (WASH_TRADING, S.UNKNOWN, True),
        (NOT_SENT, S.NOT_SENT, False),
        (UNCLEAR, S.UNKNOWN, True),
    ],
)
def test_what_is_not_plain_leaves_evidence(
    failure: ExchangeFailure, state: PlacementState, *, evident: bool
) -> None:
    assert state_after(failure)[0] is state
    assert (evidence_of(failure) is not None) == evident


@pytest.mark.parametrize(
    ("failure", "answered"),
    [
        (REFUSED, Answered(Answer.REFUSED, 7, exchange_code="10031")),
        (WASH_TRADING, Answered(Answer.REFUSED, 7, exchange_code="10041")),
        (NOT_SENT, Answered(Answer.NOT_SENT, 7)),
        (UNCLEAR, None),
    ],
)
def test_only_what_proves_something_is_kept_as_an_answer(
    failure: ExchangeFailure, answered: Answered | None
) -> None:
    assert answered_by(failure, 7) == answered


def test_an_order_refused_for_wash_trading_may_have_traded_and_is_not_called_refused() -> None:
    assert state_after(WASH_TRADING) == (S.UNKNOWN, None)
    assert "10041" in str(evidence_of(WASH_TRADING))
