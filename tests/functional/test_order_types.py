"""Market, stop-limit and fast orders through a running gateway, and what they leave behind."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, open_socket
from tests.functional.exchange import Exchange
from tests.functional.ordering import ACCOUNT, cancel, next_event, open_orders
from tests.functional.service import Service
from tests.processes import eventually

PLACE = operation("place-order")
FILLS = operation("fills")
PLACEMENTS = operation("placements")
SYMBOL = "UNITRY"
SIDES = {"BUY": "sell", "SELL": "buy"}


def place(caller: Caller, client_order_id: str, side: str, **order: dict[str, str]) -> Json:
    """Send an order of any type; give what became of it."""
    command = {"account": "demo", "symbol": SYMBOL, "side": side}
    given: dict[str, Any] = {**command, "clientOrderId": client_order_id, "order": order}
    return caller.answer(PLACE, input=given)["placeOrder"]


def accepted(caller: Caller, client_order_id: str, side: str, **order: dict[str, str]) -> Json:
    """Send an order that the exchange accepts."""
    result = place(caller, client_order_id, side, **order)
    assert result["__typename"] == "OrderAccepted", result
    return result


def fills(caller: Caller) -> list[Json]:
    found: list[Json] = caller.answer(FILLS, account="demo", symbol=SYMBOL)["account"]["fills"]
    return found


def holdings(caller: Caller) -> dict[str, Decimal]:
    balances = caller.answer(ACCOUNT, id="demo")["account"]["balances"]
    return {balance["asset"]: Decimal(balance["total"]) for balance in balances}


@pytest.mark.parametrize("side", SIDES)
def test_a_market_order_fills_at_once_without_an_id_and_shows_its_placement(
    exchange: Exchange, trader: Caller, side: str
) -> None:
    exchange.outsider.limit(SIDES[side], SYMBOL, "231", "3")
    before = len(fills(trader))
    result = accepted(trader, f"market-{side}", side, market={"quantity": "2"})
    order, placement = result["order"], result["placement"]
    assert (order["orderId"], order["type"], order["status"]) == (None, "MARKET", "FILLED")
    assert (placement["state"], placement["clientOrderId"]) == ("ACCEPTED", f"market-{side}")
    newest, *others = fills(trader)
    assert len(others) == before
    assert (newest["side"], newest["type"]) == (side, "MARKET")
    assert (newest["price"], newest["quantity"]) == ("231", "2")
    received = Decimal(2) if side == "BUY" else Decimal(462)
    assert newest["feeAsset"] == ("UNI" if side == "BUY" else "TRY")
    assert Decimal(newest["fee"]) == received * Decimal("0.002")


def test_a_market_order_is_sent_once_however_often_it_is_asked_for(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("sell", SYMBOL, "231", "10")
    first = accepted(trader, "market-again", "BUY", market={"quantity": "0.77"})
    again = accepted(trader, "market-again", "BUY", market={"quantity": "0.770"})
    assert again == first
    assert len(exchange.requests("market/market-buy", amount="0.77")) == 1


def test_a_market_order_that_nobody_can_fill_is_refused(exchange: Exchange, trader: Caller) -> None:
    exchange.sweep()
    result = place(trader, "market-empty", "BUY", market={"quantity": "1"})
    assert (result["__typename"], result["exchangeCode"]) == ("OrderRejected", "10042")


def test_a_stop_limit_order_waits_unseen_until_a_trade_reaches_its_stop_price(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.trade(SYMBOL, "231", "1")
    terms = {"stopPrice": "225", "price": "224", "quantity": "1"}
    with open_socket(service.ws_url, trader.token) as socket:
        socket.subscribe(operation("watch-orders"), account="demo")
        order = accepted(trader, "stop", "SELL", stopLimit=terms)["order"]
        assert (order["type"], order["status"]) == ("STOP_LIMIT", "NEW")
        assert (order["stopPrice"], order["stopDirection"]) == ("225", "LESS")
        assert next_event(socket, order["orderId"]) == ("NEW", "0")
        shown = open_orders(trader, SYMBOL)[order["orderId"]]
        assert (shown["stopPrice"], shown["price"], shown["quantity"]) == ("225", "224", "1")
        exchange.outsider.limit("buy", SYMBOL, "225", "5")
        assert open_orders(trader, SYMBOL)[order["orderId"]]["filledQuantity"] == "0"
        exchange.counterparty.limit("sell", SYMBOL, "225", "1")
        while next_event(socket, order["orderId"]) != ("FILLED", "1"):
            pass
    assert order["orderId"] not in open_orders(trader, SYMBOL)


def test_a_stop_limit_order_can_be_cancelled_while_it_waits(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.trade(SYMBOL, "231", "1")
    terms = {"stopPrice": "240", "price": "241", "quantity": "1"}
    order = accepted(trader, "stop-cancelled", "BUY", stopLimit=terms)["order"]
    assert order["stopDirection"] == "GREATER"
    assert cancel(trader, order["orderId"])["__typename"] == "OrderCancelled"
    assert order["orderId"] not in open_orders(trader, SYMBOL)


def test_a_fast_order_spends_what_it_is_given_or_sells_what_it_is_told_to(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("sell", SYMBOL, "200", "50")
    before = holdings(trader)
    result = accepted(trader, "fast-buy", "BUY", fast={"quoteTotal": "1000"})
    assert (result["order"]["type"], result["order"]["orderId"]) == ("FAST", None)
    bought = holdings(trader)
    assert before["TRY"] - bought["TRY"] == 1000
    assert bought["UNI"] - before["UNI"] == 5 * Decimal("0.998")
    exchange.sweep()
    exchange.outsider.limit("buy", SYMBOL, "200", "50")
    accepted(trader, "fast-sell", "SELL", fast={"quantity": "5"})
    sold = holdings(trader)
    assert bought["UNI"] - sold["UNI"] == 5
    assert sold["TRY"] - bought["TRY"] == 1000 * Decimal("0.998")


@pytest.mark.parametrize(
    ("side", "terms"), [("BUY", {"quantity": "1"}), ("SELL", {"quoteTotal": "1"})], ids=str
)
def test_a_fast_order_of_the_wrong_side_is_refused_before_it_is_sent(
    trader: Caller, side: str, terms: dict[str, str]
) -> None:
    result = place(trader, f"fast-wrong-{side}", side, fast=terms)
    assert (result["__typename"], result["code"]) == ("OrderRejected", "BAD_USER_INPUT")
    assert result["message"].startswith("order.fast: ")


def test_balances_are_followed_through_a_trade_whole_and_true(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with open_socket(service.ws_url, trader.token) as socket:
        socket.subscribe(operation("watch-balances"), account="demo")
        shown: dict[str, Json] = {}
        while len(shown) < len(holdings(trader)):
            balance = socket.next()["balances"]
            shown[balance["asset"]] = balance
        exchange.outsider.limit("sell", SYMBOL, "231", "4")
        accepted(trader, "balances", "BUY", market={"quantity": "4"})
        after = holdings(trader)
        while any(Decimal(shown[asset]["total"]) != after[asset] for asset in ("TRY", "UNI")):
            balance = socket.next()["balances"]
            shown[balance["asset"]] = balance
    for balance in shown.values():
        free, held = Decimal(balance["available"]), Decimal(balance["held"])
        assert Decimal(balance["total"]) == free + held


def listed(caller: Caller, **asked: object) -> Json:
    return caller.answer(PLACEMENTS, account="demo", **asked)["placements"]


def test_placements_are_listed_page_by_page_the_newest_first(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    for number in range(5):
        terms = {"price": "100", "quantity": str(number + 1)}
        accepted(trader, f"listed-{number}", "BUY", limit=terms)
    page = listed(trader, first=2)
    seen = [edge["node"]["clientOrderId"] for edge in page["edges"]]
    while len(seen) < 5:
        assert page["pageInfo"]["hasNextPage"]
        page = listed(trader, first=2, after=page["pageInfo"]["endCursor"])
        seen += [edge["node"]["clientOrderId"] for edge in page["edges"]]
    assert seen[:5] == [f"listed-{number}" for number in reversed(range(5))]
    stranger = listed(service.caller("second-trader"), clientOrderId="listed-1")
    assert stranger["edges"] == []


def test_an_order_whose_answer_was_lost_is_found_by_its_client_order_id(
    exchange: Exchange, trader: Caller
) -> None:
    with exchange.fault("market/limit-buy", outcome="drop-after", count=1):
        result = place(trader, "lost", "BUY", limit={"price": "101", "quantity": "1"})
    assert result["__typename"] == "OrderPending", result
    (edge,) = listed(trader, clientOrderId="lost")["edges"]
    assert edge["node"]["id"] == result["placement"]["id"]
    assert edge["node"]["newIdSafe"] is False

    def known() -> bool:
        edges = listed(trader, state="ACCEPTED", first=100)["edges"]
        return edge["node"]["id"] in {each["node"]["id"] for each in edges}

    assert eventually(known)
    assert open_orders(trader, SYMBOL)
