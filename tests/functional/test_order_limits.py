"""Limits of grants over the wire: what is refused, what was sent, what two gateways share."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json
from tests.functional.conftest import running_service
from tests.functional.exchange import Exchange
from tests.functional.ordering import accepted, cancel, place
from tests.functional.service import MARKET, READ, TRADE, Member, Service

SYMBOL = "UNITRY"
PLACE = operation("place-order")


@dataclass(frozen=True)
class Limited(Member):
    """A principal whose orders on the account demo are limited."""

    grants: tuple[tuple[str, ...], ...] = (MARKET, READ, TRADE)
    limits: Mapping[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        entry = super().entry()
        for grant in entry["grants"]:
            if "orders:place" in grant["actions"]:
                grant["limits"] = self.limits
        return entry


_MARKET_ORDERS = {"collar_percent": "10"}
PEOPLE = (
    Limited("each", limits={"order_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited("daily", limits={"day_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited("repeats", limits={"day_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited("refused", limits={"day_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited(
        "unknown", limits={"day_notional": {"TRY": "1000"}, "open_orders": 1, **_MARKET_ORDERS}
    ),
    Limited("racer", limits={"day_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited("restarts", limits={"day_notional": {"TRY": "1000"}, **_MARKET_ORDERS}),
    Limited("opener", limits={"open_orders": 2}),
    Limited("shared", limits={"open_orders": 3}),
    Limited("collared", limits={"collar_percent": "10"}),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway whose callers are limited, and whose prices are never a second old."""
    settings = {"NGW_LIFETIME_TOP_OF_BOOK": "0.001/30"}
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


@pytest.fixture
def books(desk: Service) -> Iterator[Exchange]:
    """The exchange behind `desk`, whose books are empty before the test and after it."""
    desk.exchange.sweep()
    yield desk.exchange
    desk.exchange.sweep()


@pytest.fixture
def second(desk: Service, tmp_path: Path) -> Iterator[Service]:
    """Another gateway on the same Redis and the same exchange."""
    with closing(Service(tmp_path, desk.exchange, desk.valkey, {}, desk.accounts, PEOPLE)) as other:
        other.start()
        yield other


def buy(caller: Caller, client_order_id: str, price: str, quantity: str) -> Json:
    """Send a limit order; give what became of it."""
    return place(caller, client_order_id, symbol=SYMBOL, price=price, quantity=quantity)


def bought(caller: Caller, client_order_id: str, price: str, quantity: str) -> str:
    """Send a limit order that is accepted; give its id."""
    result = accepted(caller, client_order_id, symbol=SYMBOL, price=price, quantity=quantity)
    return str(result["order"]["orderId"])


def at_market(
    caller: Caller, client_order_id: str, side: str = "BUY", **order: dict[str, str]
) -> Json:
    """Send an order at the market; give what became of it."""
    command = {"account": "demo", "symbol": SYMBOL, "side": side, "order": order}
    return caller.answer(PLACE, input={**command, "clientOrderId": client_order_id})["placeOrder"]


def over(result: Json, limit: str) -> str:
    """The message of a refusal by this limit."""
    told = (result["__typename"], result.get("code"), result.get("message", "").partition(":")[0])
    assert told == ("OrderRejected", "OVER_LIMIT", limit), result
    return str(result["message"])


def test_an_order_beyond_the_notional_of_one_is_refused_and_not_sent(
    desk: Service, books: Exchange
) -> None:
    caller = desk.caller("each")
    bought(caller, "fits", "100", "10")
    message = over(buy(caller, "too-large", "100", "10.01"), "order_notional")
    assert message == "order_notional: the order counts 1001 TRY; 1000 are the most"
    assert books.requests("market/limit-buy", amount="10.01") == []


def test_an_order_in_an_asset_without_a_notional_is_refused(desk: Service) -> None:
    result = place(desk.caller("each"), "usdt", symbol="BTCUSDT", price="50000", quantity="1")
    over(result, "order_notional")


def test_an_order_at_the_market_counts_the_far_side_plus_the_collar(
    desk: Service, books: Exchange
) -> None:
    caller = desk.caller("each")
    over(at_market(caller, "no-price", market={"quantity": "1"}), "collar_percent")
    books.outsider.limit("sell", SYMBOL, "200", "10")
    message = over(at_market(caller, "market-large", market={"quantity": "5"}), "order_notional")
    assert "1100" in message
    assert at_market(caller, "market-fits", market={"quantity": "4"})["__typename"] == (
        "OrderAccepted"
    )
    over(at_market(caller, "fast-large", fast={"quoteTotal": "1000.01"}), "order_notional")
    assert len(books.requests("market/market-buy")) == 1


def test_orders_spend_the_notional_of_a_day_and_a_cancel_gives_nothing_back(
    desk: Service, books: Exchange
) -> None:
    caller = desk.caller("daily")
    cancel(caller, bought(caller, "first", "100", "6"))
    message = over(buy(caller, "second", "100", "5"), "day_notional")
    assert "the order counts 500 TRY; 400 of 1000 are left" in message
    bought(caller, "third", "100", "4")
    over(buy(caller, "fourth", "101", "0.1"), "day_notional")
    assert books.requests("market/limit-buy", price="101") == []


def test_an_order_that_is_asked_for_again_counts_once(desk: Service, books: Exchange) -> None:
    caller = desk.caller("repeats")
    first = bought(caller, "again", "128", "5")
    assert bought(caller, "again", "128", "5") == first
    bought(caller, "another", "100", "3.6")
    assert bought(caller, "again", "128", "5") == first
    assert len(books.requests("market/limit-buy", price="128")) == 1


def test_what_the_exchange_refuses_counts_nothing(desk: Service, books: Exchange) -> None:
    caller = desk.caller("refused")
    with books.fault("market/limit-buy", outcome="code-before", code="10062"):
        refused = buy(caller, "refused", "100", "10")
    assert (refused["__typename"], refused["exchangeCode"]) == ("OrderRejected", "10062")
    bought(caller, "counts", "100", "10")


def test_an_order_whose_outcome_nobody_knows_counts_as_if_it_stood(
    desk: Service, books: Exchange
) -> None:
    caller = desk.caller("unknown")
    with books.fault("market/limit-buy", outcome="drop-before"):
        pending = buy(caller, "lost", "100", "6")
    assert pending["__typename"] == "OrderPending"
    over(buy(caller, "day", "127", "5"), "day_notional")
    over(buy(caller, "open", "127", "3"), "open_orders")
    assert books.requests("market/limit-buy", price="127") == []
    books.outsider.limit("buy", SYMBOL, "200", "1")
    result = at_market(caller, "needs-no-place", "SELL", market={"quantity": "1"})
    assert result["__typename"] == "OrderAccepted", result


def test_only_so_many_orders_may_be_open_until_one_is_cancelled_or_filled(
    desk: Service, books: Exchange
) -> None:
    caller = desk.caller("opener")
    first = bought(caller, "one", "200", "1")
    bought(caller, "two", "201", "1")
    message = over(buy(caller, "three", "202", "1"), "open_orders")
    assert message == "open_orders: 2 of 2 orders may be open: cancel one"
    cancel(caller, first)
    bought(caller, "four", "203", "1")
    over(buy(caller, "five", "204", "1"), "open_orders")
    books.outsider.limit("sell", SYMBOL, "203", "1")
    bought(caller, "six", "204", "1")


def test_a_price_beyond_the_collar_is_refused(desk: Service, books: Exchange) -> None:
    caller = desk.caller("collared")
    books.trade(SYMBOL, "200", "1")
    message = over(buy(caller, "far-from-last", "220.01", "1"), "collar_percent")
    assert "above 220" in message
    books.outsider.limit("sell", SYMBOL, "240", "1")
    bought(caller, "near-the-ask", "239", "1")
    over(buy(caller, "far-from-ask", "264.01", "1"), "collar_percent")
    assert len(books.requests("market/limit-buy", price="264.01")) == 0


def test_two_gateways_that_race_share_the_notional_of_a_day(
    desk: Service, books: Exchange, second: Service
) -> None:
    callers = (desk.caller("racer"), second.caller("racer"))

    def send(number: int) -> Json:
        return buy(callers[number % 2], f"race-{number}", "125", "1.6")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(send, range(16)))
    taken = [result for result in results if result["__typename"] == "OrderAccepted"]
    assert len(taken) == 5
    for result in results:
        if result not in taken:
            over(result, "day_notional")
    assert len(books.requests("market/limit-buy", price="125", amount="1.6")) == 5


def test_two_gateways_that_race_share_the_places_of_open_orders(
    desk: Service, books: Exchange, second: Service
) -> None:
    callers = (desk.caller("shared"), second.caller("shared"))

    def send(number: int) -> Json:
        return buy(callers[number % 2], f"place-{number}", "126", "4")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(send, range(12)))
    assert [result["__typename"] for result in results].count("OrderAccepted") == 3
    assert len(books.orders("demo", price=126, status="NEW")) == 3


def test_what_was_spent_is_known_after_a_restart(
    desk: Service, books: Exchange, second: Service
) -> None:
    bought(second.caller("restarts"), "before", "100", "9")
    second.close()
    message = over(buy(desk.caller("restarts"), "after", "100", "2"), "day_notional")
    assert "100 of 1000 are left" in message
