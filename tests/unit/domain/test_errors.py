import pytest

from gateway.domain.errors import (
    AuditUnavailable,
    BadUserInput,
    ExchangeFailure,
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
    StreamRefused,
    SwitchesUnavailable,
    SwitchesUnread,
    TradingHalted,
    Unauthenticated,
    Unclear,
    UnknownAccount,
    UnknownSymbol,
)
from gateway.domain.key_errors import KeyStopped, NoKey
from gateway.domain.order_errors import (
    AgainstRules,
    DeadManUnavailable,
    DuplicateOrder,
    LaneUnresolved,
    NotDurable,
    OrderClosedUnknown,
    OrderFilled,
    OrderNotFound,
    Quarantined,
)
from gateway.domain.stop_errors import NotBegun, Stopping

ERRORS = [
    (Unauthenticated(), "UNAUTHENTICATED", False),
    (Forbidden("orders:place", "default-deny"), "FORBIDDEN", False),
    (OverLimit("trade", "open_orders", "2 of 2"), "OVER_LIMIT", False),
    (OverLimit("trade", "day_notional", "5 left", 9.5), "OVER_LIMIT", True),
    (TradingHalted("everything", "HALTED", "drill"), "TRADING_HALTED", False),
    (NotYours("o" * 100_000), "ORDER_NOT_FOUND", False),
    (RateLimited("requests", retry_after=1.5), "RATE_LIMITED", True),
    (BadUserInput("depth", "must be 1 to 100"), "BAD_USER_INPUT", False),
    (UnknownSymbol("A" * 100_000), "UNKNOWN_SYMBOL", False),
    (UnknownAccount("a" * 100_000), "UNKNOWN_ACCOUNT", False),
    (AgainstRules("market.min_total", "5 under 10", "TOTAL"), "TOTAL", False),
    (DuplicateOrder("demo.1", 2.5), "DUPLICATE_ORDER", True),
    (LaneUnresolved("demo.1", 2.5), "LANE_UNRESOLVED", True),
    (Quarantined("demo", "another server"), "ACCOUNT_QUARANTINED", False),
    (NotDurable("It forgets."), "JOURNAL_NOT_DURABLE", False),
    (DeadManUnavailable(), "JOURNAL_UNAVAILABLE", True),
    (OrderFilled("o-1", None), "ORDER_FILLED", False),
    (OrderClosedUnknown("o-1", None), "ORDER_CLOSED_UNKNOWN", False),
    (OrderNotFound("o-1"), "ORDER_NOT_FOUND", False),
    (NotRecorded(), "JOURNAL_UNAVAILABLE", True),
    (NotInTime(), "JOURNAL_UNAVAILABLE", True),
    (RefusedMeanwhile(), "JOURNAL_UNAVAILABLE", True),
    (NotLookedUp(), "JOURNAL_UNAVAILABLE", True),
    (SwitchesUnavailable(), "JOURNAL_UNAVAILABLE", True),
    (SwitchesUnread(), "JOURNAL_UNAVAILABLE", True),
    (AuditUnavailable(), "AUDIT_UNAVAILABLE", True),
    (NoKey("demo", "trade"), "KEY_UNAVAILABLE", True),
    (KeyStopped("demo", "trade", "20001"), "KEY_UNAVAILABLE", True),
    (Stopping(), "INTERNAL", True),
    (NotBegun(), "STOPPING", True),
    (SourceUnavailable("the ticker of BTCUSDT"), "EXCHANGE_UNAVAILABLE", True),
    (StreamRefused("demo"), "EXCHANGE_UNAVAILABLE", True),
    (NotSent("market/limit-buy", "connect"), "EXCHANGE_UNAVAILABLE", True),
    (Refused("e", "10036", "NAME", "no", "wait", retry=True), "EXCHANGE_REFUSED", True),
    (Unclear("market/limit-buy", "timeout"), "EXCHANGE_UNAVAILABLE", True),
]


def leaves(kind: type[GatewayError]) -> set[type[GatewayError]]:
    # What other packages add is tried there.
    found = [each for each in kind.__subclasses__() if each.__module__.startswith("gateway.domain")]
    return {leaf for each in found for leaf in leaves(each)} if found else {kind}


def test_every_error_is_tried_below() -> None:
    assert {type(error) for error, _, _ in ERRORS} >= leaves(GatewayError)


@pytest.mark.parametrize(("error", "code", "retryable"), ERRORS, ids=lambda each: str(each)[:40])
def test_an_error_has_its_code_and_a_short_sentence(
    error: GatewayError, code: str, *, retryable: bool
) -> None:
    extensions = error.extensions()
    assert (extensions["code"], extensions["retryable"]) == (code, retryable)
    assert 0 < len(str(error)) < 200


def test_what_a_caller_needs_is_in_the_extensions() -> None:
    assert RateLimited("requests", retry_after=1.5).extensions()["retryAfter"] == 1.5
    assert NotBegun(1.5).extensions()["retryAfter"] == 1.5
    assert Forbidden("orders:place", "rule-7").extensions()["rule"] == "rule-7"
    over = OverLimit("trade", "day_notional", "5 left", 9.5).extensions()
    assert (over["rule"], over["limit"], over["retryAfter"]) == ("trade", "day_notional", 9.5)
    assert "retryAfter" not in OverLimit("trade", "open_orders", "2 of 2").extensions()
    assert KeyStopped("demo", "trade", "20001").extensions()["exchangeCode"] == "20001"
    assert BadUserInput("depth", "too deep").extensions()["field"] == "depth"
    assert Unclear("e", "unlisted", "12345").extensions()["exchangeCode"] == "12345"


def test_an_exchange_failure_is_one_of_three() -> None:
    assert leaves(ExchangeFailure) == {NotSent, Refused, Unclear}
