"""Every refusal of a limit order that the exchange can give, as callers see it."""

from dataclasses import replace

import pytest

from tests.functional.callers import Caller
from tests.functional.conftest import FreshService
from tests.functional.exchange import DEMO, QUIET, Exchange, Json
from tests.functional.ordering import accepted, place
from tests.functional.service import Service


def refused(caller: Caller, client_order_id: str, **changes: str) -> Json:
    result = place(caller, client_order_id, **changes)
    assert result["__typename"] == "OrderRejected", result
    return result


@pytest.mark.parametrize(
    ("code", "name", "terms"),
    [
        ("10031", "INSUFFICIENT_BALANCE", {"quantity": "900000"}),
        ("10038", "MARKET_DISABLED", {"symbol": "HOTTRY", "price": "0.07", "quantity": "1000"}),
        ("10039", "TOTAL_UNDER_MINIMUM", {"quantity": "0.00003"}),
        ("10040", "QUANTITY_UNDER_MINIMUM", {"quantity": "0.0000001"}),
        ("10061", "SELL_PRICE_TOO_HIGH", {"side": "SELL", "price": "2000000"}),
        ("10062", "BUY_PRICE_TOO_LOW", {"price": "100000"}),
        ("20007", "INVALID_PRICE", {"price": "300000.001"}),
        ("20009", "INVALID_QUANTITY", {"quantity": "0.0010001"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_shows_its_name_and_the_exchanges_code(
    exchange: Exchange, trader: Caller, code: str, name: str, terms: dict[str, str]
) -> None:
    before = len(exchange.orders("demo"))
    result = refused(trader, f"refused-{code}", **terms)
    assert (result["exchangeCode"], result["code"]) == (code, name)
    assert result["message"]
    assert result["retryable"] is (name == "MARKET_DISABLED")
    assert len(exchange.orders("demo")) == before


def test_wash_trading_shows_its_name_and_the_exchanges_code(trader: Caller) -> None:
    market = {"symbol": "XRPTRY", "quantity": "100"}
    accepted(trader, "wash-sell", side="SELL", price="4.5", **market)
    result = refused(trader, "wash-buy", side="BUY", price="4.6", **market)
    assert (result["exchangeCode"], result["code"]) == ("10041", "WASH_TRADING_CANCELLED")


def test_a_symbol_that_is_not_listed_is_refused_here(exchange: Exchange, trader: Caller) -> None:
    result = refused(trader, "no-symbol", symbol="NOSUCH")
    assert (result["code"], result["exchangeCode"]) == ("UNKNOWN_SYMBOL", None)
    assert exchange.requests("market/limit-buy", symbol="NOSUCH") == []


def test_credentials_that_the_exchange_does_not_know_are_named_as_such(
    fresh_service: FreshService,
) -> None:
    others = tuple(account for account in QUIET.accounts if account is not DEMO)
    service = fresh_service(config=replace(QUIET, accounts=others))
    result = refused(service.caller(), "no-key")
    assert (result["exchangeCode"], result["code"]) == ("20001", "INVALID_CREDENTIALS")


def test_refusals_are_counted_by_outcome_and_by_the_exchanges_code(
    service: Service, trader: Caller
) -> None:
    before = service.metric("gateway_orders_total", outcome="REJECTED")
    calls = {"endpoint": "limit-buy", "code": "10031"}
    asked = service.metric("gateway_upstream_requests_total", **calls)
    refused(trader, "counted", quantity="900000")
    assert service.metric("gateway_orders_total", outcome="REJECTED") == before + 1
    assert service.metric("gateway_upstream_requests_total", **calls) == asked + 1
