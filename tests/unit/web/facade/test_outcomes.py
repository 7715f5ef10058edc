from dataclasses import replace

import pytest

from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import (
    AuditUnavailable,
    BadUserInput,
    Forbidden,
    GatewayError,
    NotInTime,
    NotLookedUp,
    NotRecorded,
    NotSent,
    NotYours,
    OverLimit,
    RateLimited,
    Refused,
    RefusedMeanwhile,
    SourceUnavailable,
    SwitchesUnread,
    TradingHalted,
    Unclear,
    UnknownAccount,
    UnknownSymbol,
)
from gateway.domain.key_errors import KeyStopped, NoKey
from gateway.domain.order_errors import (
    AgainstRules,
    DuplicateOrder,
    LaneUnresolved,
    NotDurable,
    OrderClosedUnknown,
    OrderFilled,
    OrderNotFound,
    Quarantined,
)
from gateway.domain.placements import Placement, PlacementState, Rejection
from gateway.domain.stop_errors import NotBegun, Stopping
from gateway.exchange import ERROR_CODES
from gateway.services.risk_of_market import against
from gateway.web.facade.access import Access
from gateway.web.facade.outcomes import LATER_S, order_of, refusal_for, unsure
from gateway.web.facade.refusals import CANCEL_UNKNOWN, OUTCOME_UNKNOWN, Refusal, refusal_of
from tests.unit.services.examples import command, order

S = PlacementState
OF_OUR_KEY = ("10010", "20000", "20001", "20002", "20003", "20004", "20011")
TROUBLE = {
    Access.PUBLIC: "90000",
    Access.READ: "90000",
    Access.ORDER: "10038",
    Access.CANCEL: "20011",
    Access.WITHDRAW: "20011",
}


def refused(code: str) -> Refused:
    known = ERROR_CODES[code]
    return Refused("limit-buy", code, known.name, known.meaning, known.advice, known.retryable)


WHATEVER_IT_DOES: list[tuple[GatewayError, str]] = [
    (Forbidden("orders:place", "default-deny"), "20011"),
    (UnknownAccount("demo"), "20011"),
    (NotYours("o1"), "20011"),
    (OverLimit("trade", "day_notional", "full"), "20011"),
    (RateLimited("requests", 1.5), "20011"),
    (DuplicateOrder("demo.1", 2.5), "20011"),
    (LaneUnresolved("demo.1", 2.5), "20011"),
    (UnknownSymbol("BTCBTC"), "10037"),
    (BadUserInput("asset", "none"), "10037"),
    (BadUserInput("orderId", "none"), "10075"),
    (BadUserInput("clientOrderId", "was used for another command"), "20001"),
    (BadUserInput("from", "too far back"), "90001"),
    (OrderNotFound("o1"), "10075"),
    (OrderFilled("o1"), "10075"),
    (OrderClosedUnknown("o1"), "10075"),
    (NotProven(cause=Cause.SUSPENDED), "20001"),
    (refused("10031"), "10031"),
    (refused("10027"), "10027"),
]


@pytest.mark.parametrize(("error", "code"), WHATEVER_IT_DOES)
@pytest.mark.parametrize("access", Access)
def test_a_failure_that_the_exchange_has_a_code_for_has_it_everywhere(
    error: GatewayError, code: str, access: Access
) -> None:
    refusal = refusal_for(error, access)
    assert (refusal.code, refusal.msg) == (code, refusal_of(code).msg)


OURS: list[GatewayError] = [
    TradingHalted("everything", "HALTED", "drill"),
    NotRecorded(),
    NotInTime(),
    RefusedMeanwhile(),
    NotLookedUp(),
    SwitchesUnread(),
    NotDurable("It forgets."),
    Quarantined("demo", "another server"),
    AuditUnavailable(),
    NoKey("demo", "trade"),
    NotProven(cause=Cause.KEYS_AWAY),
    KeyStopped("demo", "trade", "20001"),
    NotSent("limit-buy", "connect"),
    Unclear("wallet", "timeout"),
    SourceUnavailable("the markets"),
    Stopping(),
    NotBegun(),
]


@pytest.mark.parametrize("error", [*OURS, *map(refused, OF_OUR_KEY)])
@pytest.mark.parametrize("access", Access)
def test_the_gateways_own_trouble_shows_as_a_code_to_stay_away_or_come_back_by(
    error: GatewayError, access: Access
) -> None:
    refusal = refusal_for(error, access)
    assert refusal.code == TROUBLE[access]
    assert refusal.msg == refusal_of(refusal.code).msg
    assert refusal.retry_after in (LATER_S, NotBegun.retry_after)


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_an_order_against_the_rules_has_the_exchanges_own_code(code: str) -> None:
    error: AgainstRules = against("market.rule", code, "too much of something")
    assert refusal_for(error, Access.ORDER).code == code


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("requests", 2.5),
        OverLimit("trade", "day_notional", "full", 2.5),
        DuplicateOrder("demo.1", 2.5),
        LaneUnresolved("demo.1", 2.5),
        NotBegun(2.5),
    ],
)
def test_a_caller_is_told_when_to_come_back(error: GatewayError) -> None:
    assert refusal_for(error, Access.ORDER).retry_after == 2.5
    assert refusal_for(Forbidden("a", "r"), Access.ORDER).retry_after is None


def test_what_a_failure_says_to_others_is_told_to_no_client_of_the_exchange() -> None:
    told = {refusal_for(error, Access.ORDER).msg for error, _ in WHATEVER_IT_DOES}
    assert told <= {refusal_of(code).msg for code in ERROR_CODES}


def test_nobody_is_told_that_an_order_or_a_cancel_did_nothing_when_it_may_have() -> None:
    for access, msg in ((Access.ORDER, OUTCOME_UNKNOWN), (Access.CANCEL, CANCEL_UNKNOWN)):
        assert (unsure(access).code, unsure(access).msg) == ("90000", msg)
    assert (unsure(Access.READ).code, unsure(Access.READ).msg) == ("90000", "Unexpected Error")


PLACED = Placement(
    id="demo.1",
    principal="app",
    command=command(),
    state=S.ACCEPTED,
    created_at=1,
    updated_at=1,
    rule="trade",
    signed_at=1,
    window=1,
    digest="",
    lease_until=0,
    order=order("placed"),
)


def code_of(placement: Placement) -> tuple[str, str]:
    with pytest.raises(Refusal) as refusal:
        order_of(placement)
    return refusal.value.code, refusal.value.msg


def test_an_order_that_was_accepted_is_shown_as_the_exchange_told_of_it() -> None:
    assert order_of(PLACED) == order("placed")
    assert order_of(replace(PLACED, order=None)) is None


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.IN_DOUBT])
def test_an_order_without_an_outcome_is_called_unknown(state: PlacementState) -> None:
    assert code_of(replace(PLACED, state=state)) == ("90000", OUTCOME_UNKNOWN)


@pytest.mark.parametrize("state", [S.NOT_SENT, S.NOT_PLACED, S.DENIED])
def test_an_order_that_never_stood_is_one_that_the_market_did_not_take(
    state: PlacementState,
) -> None:
    assert code_of(replace(PLACED, state=state)) == ("10038", "Market disabled")


@pytest.mark.parametrize(
    ("given", "told"),
    [("10031", "10031"), ("10042", "10042"), (None, "10038"), *((c, "10038") for c in OF_OUR_KEY)],
)
def test_an_order_that_was_rejected_has_the_code_of_its_rejection(
    given: str | None, told: str
) -> None:
    rejected = replace(PLACED, state=S.REJECTED, rejection=Rejection("X", "x", given))
    assert code_of(rejected)[0] == told


def test_the_code_of_a_rejection_counts_for_what_was_rejected_alone() -> None:
    not_sent = replace(PLACED, state=S.NOT_SENT, rejection=Rejection("X", "x", "10031"))
    assert code_of(not_sent)[0] == "10038"
