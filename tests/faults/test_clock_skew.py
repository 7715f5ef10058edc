"""The exchange's clock and the machine's disagree."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.cli.operations import operation
from tests.faults.conftest import StartGateway
from tests.functional.exchange import QUIET, Exchange, wall_clock_ms
from tests.functional.ordering import accepted, cancel

SKEWS_MS = [3_000, -3_000]


@pytest.fixture
def exchange(skew_ms: int) -> Iterator[Exchange]:
    """An exchange whose clock is ahead."""
    with closing(Exchange(QUIET, lambda: wall_clock_ms() + skew_ms)) as running:
        yield running


@pytest.mark.parametrize("skew_ms", SKEWS_MS, ids=["ahead", "behind"])
def test_requests_are_signed_by_the_exchanges_clock_and_never_ahead_of_it(
    exchange: Exchange, start_gateway: StartGateway, skew_ms: int
) -> None:
    service = start_gateway(NGW_ORDER_WINDOW_MS="1000")
    caller = service.caller()
    state = caller.answer(operation("exchange"))["exchange"]
    assert abs(state["clockOffsetMs"] - skew_ms) < 1_000
    exchange.http.delete("/control/requests").raise_for_status()
    before = wall_clock_ms()
    order_id = accepted(caller, "skewed")["order"]["orderId"]
    assert cancel(caller, order_id)["__typename"] == "OrderCancelled"
    assert caller.answer(operation("account"), id="demo")["account"]["balances"]
    after = wall_clock_ms()
    sent = exchange.requests("market/limit-buy") + exchange.requests("balance/wallet")
    stamps = [int(dict(row["parameters"])["timestamp"]) for row in sent]
    assert len(stamps) >= 2
    assert all(before - 1_000 < stamp - skew_ms <= after for stamp in stamps)
