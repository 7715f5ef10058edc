"""What is refused before it is sent, and how refusals are counted."""

from tests.functional.callers import Caller
from tests.functional.exchange import Exchange, Json
from tests.functional.ordering import place
from tests.functional.service import Service


def refused(caller: Caller, client_order_id: str, **changes: str) -> Json:
    result = place(caller, client_order_id, **changes)
    assert result["__typename"] == "OrderRejected", result
    return result


def test_a_symbol_that_is_not_listed_is_refused_here(exchange: Exchange, trader: Caller) -> None:
    result = refused(trader, "no-symbol", symbol="NOSUCH")
    assert (result["code"], result["exchangeCode"]) == ("UNKNOWN_SYMBOL", None)
    assert exchange.requests("market/limit-buy", symbol="NOSUCH") == []


def test_refusals_are_counted_by_outcome_and_by_the_exchanges_code(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    before = service.metric("gateway_orders_total", outcome="REJECTED")
    calls = {"endpoint": "limit-buy", "code": "10031"}
    asked = service.metric("gateway_upstream_requests_total", **calls)
    with exchange.fault("market/limit-buy", outcome="code-before", code="10031"):
        refused(trader, "counted")
    assert service.metric("gateway_orders_total", outcome="REJECTED") == before + 1
    assert service.metric("gateway_upstream_requests_total", **calls) == asked + 1
