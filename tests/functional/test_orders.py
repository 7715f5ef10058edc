"""Orders through a running gateway: placed, filled, cancelled, repeated, raced."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import httpx
import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, open_socket
from tests.functional.exchange import Exchange
from tests.functional.ordering import (
    ACCOUNT,
    PLACE,
    PLACEMENT,
    accepted,
    cancel,
    command,
    next_event,
    open_orders,
    place,
)
from tests.functional.service import Service
from tests.processes import eventually


def test_an_order_that_rests_is_open_until_it_is_cancelled(
    exchange: Exchange, trader: Caller
) -> None:
    result = accepted(trader, "rests", price="300000.00", quantity="0.0010")
    order, placement = result["order"], result["placement"]
    order_id = order["orderId"]
    assert (order["status"], order["filledQuantity"]) == ("NEW", "0")
    assert (order["price"], order["quantity"]) == ("300000", "0.001")
    assert (placement["state"], placement["clientOrderId"]) == ("ACCEPTED", "rests")
    shown = open_orders(trader)[order_id]
    assert shown["placement"] == {"id": placement["id"], "clientOrderId": "rests"}
    assert open_orders(trader, "ETHTRY") == {}

    cancelled = cancel(trader, order_id)
    assert cancelled["__typename"] == "OrderCancelled"
    assert cancelled["order"]["status"] == "CANCELLED"
    assert order_id not in open_orders(trader)
    assert len(exchange.orders("demo", orderId=order_id, status="CANCELLED")) == 1


def test_an_order_that_meets_another_is_filled(exchange: Exchange, trader: Caller) -> None:
    exchange.outsider.limit("sell", "LINKUSDT", "27.2", "4")
    result = accepted(trader, "fills", symbol="LINKUSDT", price="28", quantity="4")
    assert (result["order"]["status"], result["order"]["filledQuantity"]) == ("FILLED", "4")


def test_balances_move_by_the_price_paid_and_the_fee(exchange: Exchange, trader: Caller) -> None:
    def holdings() -> dict[str, Decimal]:
        balances = trader.answer(ACCOUNT, id="demo")["account"]["balances"]
        return {balance["asset"]: Decimal(balance["total"]) for balance in balances}

    before = holdings()
    exchange.outsider.limit("sell", "XRPUSDT", "0.5", "1000")
    accepted(trader, "pays", symbol="XRPUSDT", price="0.55", quantity="1000")
    after = holdings()
    assert after["XRP"] - before["XRP"] == Decimal(998)
    assert after["USDT"] - before["USDT"] == Decimal(-500)


def test_a_subscriber_sees_an_order_rest_fill_in_part_and_as_a_whole(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with open_socket(service.ws_url, trader.token) as socket:
        resting = accepted(trader, "watched-first")["order"]["orderId"]
        socket.subscribe(operation("watch-orders"), account="demo")
        assert next_event(socket, resting) == ("NEW", "0")
        sold = {"symbol": "1INCHTRY", "side": "SELL", "price": "32", "quantity": "10"}
        order_id = accepted(trader, "watched-fill", **sold)["order"]["orderId"]
        assert next_event(socket, order_id) == ("NEW", "0")
        exchange.outsider.limit("buy", "1INCHTRY", "32", "4")
        assert next_event(socket, order_id) == ("PARTIALLY_FILLED", "4")
        exchange.outsider.limit("buy", "1INCHTRY", "32", "6")
        assert next_event(socket, order_id) == ("FILLED", "10")
        cancel(trader, resting)
        assert next_event(socket, resting) == ("CANCELLED", "0")


def test_the_same_id_and_command_gives_the_recorded_outcome_and_sends_nothing(
    exchange: Exchange, trader: Caller
) -> None:
    first = accepted(trader, "again", price="300001", quantity="0.0020")
    second = accepted(trader, "again", price="300001.0", quantity="0.002")
    assert second == first
    assert len(exchange.requests("market/limit-buy", price="300001")) == 1


def test_a_recorded_refusal_is_replayed_too(exchange: Exchange, trader: Caller) -> None:
    with exchange.fault("market/limit-buy", outcome="code-before", code="10031"):
        first = place(trader, "again-refused", price="300002")
    assert (first["__typename"], first["exchangeCode"]) == ("OrderRejected", "10031")
    assert place(trader, "again-refused", price="300002") == first
    assert len(exchange.requests("market/limit-buy", price="300002")) == 1


@pytest.mark.parametrize(
    "change",
    [{"price": "300004"}, {"quantity": "0.003"}, {"side": "SELL"}, {"symbol": "ETHTRY"}],
    ids=lambda change: next(iter(change)),
)
def test_the_same_id_with_another_command_is_refused_and_sends_nothing(
    exchange: Exchange, trader: Caller, change: dict[str, str]
) -> None:
    (name,) = change
    accepted(trader, f"taken-{name}", price="300003")
    before = len(exchange.orders("demo"))
    refused = place(trader, f"taken-{name}", **{"price": "300003", **change})
    assert (refused["__typename"], refused["code"]) == ("OrderRejected", "BAD_USER_INPUT")
    assert "clientOrderId" in refused["message"]
    assert len(exchange.orders("demo")) == before


def test_the_same_id_of_another_caller_is_another_order(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    mine = accepted(trader, "shared", price="300005")
    theirs = accepted(service.caller("second-trader"), "shared", price="300005")
    assert mine["order"]["orderId"] != theirs["order"]["orderId"]
    assert len(exchange.requests("market/limit-buy", price="300005")) == 2


def test_a_placement_is_shown_to_nobody_but_its_principal(service: Service, trader: Caller) -> None:
    placer = service.caller("second-trader")
    result = accepted(placer, "private", price="300006")
    placement, order_id = result["placement"], result["order"]["orderId"]
    shown = placer.answer(PLACEMENT, id=placement["id"])["placement"]
    assert (shown["state"], shown["order"]["orderId"]) == ("ACCEPTED", order_id)
    assert open_orders(placer)[order_id]["placement"]["id"] == placement["id"]
    assert trader.answer(PLACEMENT, id=placement["id"]) == {"placement": None}
    assert open_orders(trader)[order_id]["placement"] is None


def test_twenty_equal_commands_at_once_are_one_order(exchange: Exchange, trader: Caller) -> None:
    with ThreadPoolExecutor(20) as pool:
        racing = [pool.submit(accepted, trader, "raced", price="300007") for _ in range(20)]
        order_ids = {each.result()["order"]["orderId"] for each in racing}
    assert len(order_ids) == 1
    assert len(exchange.requests("market/limit-buy", price="300007")) == 1


def test_twenty_different_commands_with_one_id_at_once_are_one_order(
    exchange: Exchange, trader: Caller
) -> None:
    quantities = [f"0.0{number}" for number in range(10, 30)]

    def send(quantity: str) -> str:
        return str(place(trader, "raced-apart", price="300008", quantity=quantity)["__typename"])

    with ThreadPoolExecutor(20) as pool:
        outcomes = sorted(pool.map(send, quantities))
    assert outcomes == ["OrderAccepted"] + ["OrderRejected"] * 19
    assert len(exchange.requests("market/limit-buy", price="300008")) == 1


def test_twenty_equal_commands_by_websocket_are_one_order(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with open_socket(service.ws_url, trader.token) as socket:
        for number in range(20):
            socket.subscribe(PLACE, str(number), **command("raced-socket", price="300009"))
        messages = [socket.receive() for _ in range(40)]
    answers = [message["payload"]["data"] for message in messages if message["type"] == "next"]
    assert len({answer["placeOrder"]["order"]["orderId"] for answer in answers}) == 1
    assert len(answers) == 20
    assert len(exchange.requests("market/limit-buy", price="300009")) == 1


def test_a_caller_who_hangs_up_does_not_stop_the_order(exchange: Exchange, trader: Caller) -> None:
    impatient = httpx.Client(base_url=trader.http.base_url, trust_env=False, timeout=0.2)
    with (
        exchange.fault("market/limit-buy", replyDelayMs=600),
        closing(impatient),
        pytest.raises(httpx.ReadTimeout),
    ):
        Caller(impatient, trader.token).post(PLACE, **command("hung-up", price="300010"))
    assert eventually(lambda: len(exchange.orders("demo", price=300010)) == 1)
    replayed = accepted(trader, "hung-up", price="300010")
    assert replayed["placement"]["state"] == "ACCEPTED"
    assert len(exchange.requests("market/limit-buy", price="300010")) == 1


def test_a_socket_that_closes_does_not_stop_the_order(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with exchange.fault("market/limit-buy", replyDelayMs=600):
        with open_socket(service.ws_url, trader.token) as socket:
            socket.subscribe(PLACE, **command("cut-off", price="300011"))
            assert eventually(lambda: len(exchange.orders("demo", price=300011)) == 1)
        replayed = accepted(trader, "cut-off", price="300011")
    assert replayed["placement"]["state"] == "ACCEPTED"
    assert len(exchange.requests("market/limit-buy", price="300011")) == 1


def test_an_order_can_be_cancelled_again_and_again(exchange: Exchange, trader: Caller) -> None:
    order_id = accepted(trader, "cancelled-twice")["order"]["orderId"]
    for _ in range(3):
        cancelled = cancel(trader, order_id)
        told = (cancelled["__typename"], cancelled["orderId"])
        assert told == ("OrderCancelled", order_id), cancelled
    assert len(exchange.orders("demo", orderId=order_id, status="CANCELLED")) == 1


def test_a_cancel_of_an_order_that_was_filled_says_so_and_shows_it(
    exchange: Exchange, trader: Caller
) -> None:
    order = accepted(trader, "filled-first", symbol="LINKUSDT", price="28", quantity="3")["order"]
    exchange.outsider.limit("sell", "LINKUSDT", "27.2", "3")
    rejected = cancel(trader, order["orderId"])
    assert (rejected["__typename"], rejected["code"]) == ("CancelRejected", "ORDER_FILLED")
    shown = rejected["order"]
    assert (shown["orderId"], shown["status"]) == (order["orderId"], "FILLED")


@pytest.mark.parametrize("order_id", ["", "a b", "../cancel", "é", "x" * 300, "0&amount=1"])
def test_a_cancel_of_no_order_id_is_refused_here(
    exchange: Exchange, trader: Caller, order_id: str
) -> None:
    before = exchange.requests("market/cancel-order", orderId=order_id)
    refused = cancel(trader, order_id)
    assert (refused["__typename"], refused["code"]) == ("CancelRejected", "BAD_USER_INPUT")
    assert exchange.requests("market/cancel-order", orderId=order_id) == before


@pytest.mark.parametrize("outcome", ["drop-before", "html-502"])
def test_a_cancel_without_a_clear_answer_is_pending_while_the_order_is_open_and_is_sent_once(
    exchange: Exchange, trader: Caller, outcome: str
) -> None:
    order_id = accepted(trader, f"cancel-{outcome}")["order"]["orderId"]
    with exchange.fault("market/cancel-order", outcome=outcome):
        pending = cancel(trader, order_id)
    assert (pending["__typename"], pending["orderId"]) == ("CancelPending", order_id)
    assert pending["resolveBy"]
    assert len(exchange.requests("market/cancel-order", orderId=order_id)) == 1
    assert cancel(trader, order_id)["__typename"] == "OrderCancelled"


@pytest.mark.parametrize("outcome", ["drop-after", "code-after"])
def test_a_cancel_whose_answer_is_lost_is_known_by_the_order_that_is_open_no_more(
    exchange: Exchange, trader: Caller, outcome: str
) -> None:
    order_id = accepted(trader, f"cancel-{outcome}")["order"]["orderId"]
    with exchange.fault("market/cancel-order", outcome=outcome):
        cancelled = cancel(trader, order_id)
    assert (cancelled["__typename"], cancelled["orderId"]) == ("OrderCancelled", order_id)
    assert len(exchange.requests("market/cancel-order", orderId=order_id)) == 1
