"""Stop-limit orders: out of sight until a trade reaches their target."""

from decimal import Decimal

import pytest

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import (
    Balance,
    BookChanged,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Side,
    StopType,
    Trade,
)
from gateway.sandbox.order_requests import StopLimitOrder
from tests.unit.sandbox.clients import NOW, place

LAST = Decimal("53963.13")


def stop(
    engine: Engine, account_id: str, side: Side, target: str, price: str, quantity: str = "1"
) -> Order:
    terms = Decimal(target), Decimal(price), Decimal(quantity)
    return engine.place(account_id, StopLimitOrder("BTCUSDT", side, *terms), NOW)


def print_at(engine: Engine, price: str) -> None:
    """Let bob sell and ann buy a little at this price, where nobody else stands."""
    place(engine, "bob", Side.SELL, price, "0.001")
    place(engine, "ann", Side.BUY, price, "0.001")


@pytest.mark.parametrize(
    ("target", "stop_type"),
    [
        (LAST + Decimal("0.01"), StopType.GREATER),
        (LAST, StopType.LESS),
        (LAST - Decimal("0.01"), StopType.LESS),
    ],
)
def test_a_target_above_the_last_price_waits_for_it_to_rise_and_any_other_for_it_to_fall(
    engine: Engine, target: Decimal, stop_type: StopType
) -> None:
    order = stop(engine, "ann", Side.BUY, str(target), "50000")
    assert (order.type, order.stop_type) == (OrderType.STOP_LIMIT, stop_type)


def test_a_stop_is_open_and_holds_its_cost_but_stands_in_no_book(engine: Engine) -> None:
    order = stop(engine, "ann", Side.BUY, "54000", "55000", "2")
    assert engine.open_orders("ann") == [order]
    assert engine.ledger.balance("ann", "USDT") == Balance(Decimal(890_000), Decimal(110_000))
    assert engine.books["BTCUSDT"].bids.best() is None
    assert BookChanged("BTCUSDT") not in engine.take_events()


def test_a_stop_that_waits_meets_nobody(engine: Engine) -> None:
    place(engine, "bob", Side.SELL, "55000", "1")
    assert stop(engine, "ann", Side.BUY, "56000", "57000").status is OrderStatus.NEW
    assert engine.user_trades("ann") == []


@pytest.mark.parametrize("printed", ["55000", "55000.01"])
def test_a_trade_at_or_through_the_target_makes_it_a_limit_order(
    engine: Engine, printed: str
) -> None:
    order = stop(engine, "ann", Side.BUY, "55000", "54500")
    print_at(engine, "54999.99")
    assert engine.books["BTCUSDT"].bids.best() is None
    print_at(engine, printed)
    best = engine.books["BTCUSDT"].bids.best()
    assert best is not None
    assert (best.price, best.quantity) == (Decimal(54_500), Decimal(1))
    # In lists it stays what it was.
    assert engine.open_orders("ann") == [order]


def test_a_falling_price_sets_off_a_stop_below_it(engine: Engine) -> None:
    stop(engine, "ann", Side.SELL, "53000", "52500")
    print_at(engine, "53000.01")
    assert engine.books["BTCUSDT"].asks.best() is None
    print_at(engine, "53000")
    best = engine.books["BTCUSDT"].asks.best()
    assert best is not None
    assert best.price == 52_500


def test_a_stop_that_is_set_off_trades_at_the_resting_price_and_its_rest_stands(
    engine: Engine,
) -> None:
    place(engine, "bob", Side.SELL, "55500", "0.4")
    stop(engine, "ann", Side.BUY, "55000", "56000")
    print_at(engine, "55000")
    (order,) = engine.open_orders("ann")
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.4"))
    assert engine.ledger.balance("ann", "USDT").held == 56_000 * Decimal("0.6")
    assert engine.user_trades("ann")[0].price == 55_500


def test_one_stop_may_set_off_the_next(engine: Engine) -> None:
    place(engine, "bob", Side.SELL, "55000", "1")
    place(engine, "bob", Side.SELL, "56000", "1")
    stop(engine, "ann", Side.BUY, "54000", "55000")
    stop(engine, "ann", Side.BUY, "55000", "56000")
    place(engine, "bob", Side.SELL, "54000", "0.001")
    engine.take_events()
    place(engine, "ann", Side.BUY, "54000", "0.001")
    prices = [event.price for event in engine.take_events() if isinstance(event, Trade)]
    assert prices == [54_000, 55_000, 56_000]
    assert engine.open_orders("ann") == []


def test_of_two_stops_the_nearer_target_comes_first_and_at_one_target_the_older(
    engine: Engine,
) -> None:
    far = stop(engine, "ann", Side.BUY, "55000", "54000", "1")
    near = stop(engine, "ann", Side.BUY, "54500", "54000", "2")
    younger = stop(engine, "ann", Side.BUY, "54500", "54000", "3")
    print_at(engine, "55000")
    assert list(engine.books["BTCUSDT"].bids) == [near, younger, far]


def test_a_stop_that_would_meet_an_own_order_is_cancelled_when_it_is_set_off(
    engine: Engine,
) -> None:
    place(engine, "ann", Side.SELL, "55500", "1")
    stop(engine, "ann", Side.BUY, "55000", "56000")
    place(engine, "bob", Side.SELL, "55000", "0.001")
    engine.take_events()
    place(engine, "ann", Side.BUY, "55000", "0.001")
    (cancelled,) = [
        event.order
        for event in engine.take_events()
        if isinstance(event, OrderChanged) and event.order.status is OrderStatus.CANCELLED
    ]
    assert (cancelled.type, cancelled.filled) == (OrderType.STOP_LIMIT, Decimal(0))
    assert engine.ledger.balance("ann", "USDT").held == 0


def test_a_stop_can_be_cancelled_while_it_waits_and_after(engine: Engine) -> None:
    waiting = stop(engine, "ann", Side.BUY, "55000", "54500")
    assert engine.cancel("ann", waiting.order_id).status is OrderStatus.CANCELLED
    standing = stop(engine, "ann", Side.BUY, "55000", "54500")
    print_at(engine, "55000")
    assert engine.cancel("ann", standing.order_id).status is OrderStatus.CANCELLED
    assert engine.books["BTCUSDT"].bids.best() is None
    assert engine.ledger.balance("ann", "USDT").held == 0


def test_a_cancelled_stop_is_not_set_off(engine: Engine) -> None:
    waiting = stop(engine, "ann", Side.BUY, "55000", "54500")
    engine.cancel("ann", waiting.order_id)
    print_at(engine, "55000")
    assert engine.open_orders("ann") == []


def test_all_orders_of_an_account_in_a_market_go_at_once_and_one_frame_tells(
    engine: Engine,
) -> None:
    place(engine, "ann", Side.BUY, "50000", "1")
    stop(engine, "ann", Side.BUY, "55000", "54500")
    elsewhere = place(engine, "ann", Side.BUY, "4", "10", "XRPTRY")
    theirs = place(engine, "bob", Side.BUY, "50000", "1")
    engine.take_events()
    gone = engine.cancel_all("ann", "BTCUSDT")
    assert [order.status for order in gone] == [OrderStatus.CANCELLED_ALL] * 2
    told = [event for event in engine.take_events() if isinstance(event, OrderChanged)]
    assert [(event.order, event.streamed) for event in told] == [(gone[0], True), (gone[1], False)]
    assert engine.open_orders("ann") == [elsewhere]
    assert list(engine.books["BTCUSDT"].bids) == [theirs]
    assert engine.ledger.balance("ann", "USDT").held == 0


@pytest.mark.parametrize(
    ("target", "price", "quantity", "code"),
    [
        ("55000.001", "55000", "1", Code.INVALID_TARGET),
        ("55000", "55000.001", "1", Code.INVALID_PRICE),
        ("55000", "55000", "1.0000001", Code.INVALID_QUANTITY),
        ("55000", "55000", "0.0000001", Code.QUANTITY_UNDER_LIMIT),
        ("55000", "55000", "0.0001", Code.TOTAL_UNDER_LIMIT),
        ("55000", "21585.25", "1", Code.BUY_PRICE_TOO_LOW),
        ("55000", "55000", "19", Code.INSUFFICIENT_BALANCE),
    ],
)
def test_a_stop_against_the_rules_is_refused_by_its_code(
    engine: Engine, target: str, price: str, quantity: str, code: Code
) -> None:
    with pytest.raises(Refusal, match=code.value):
        stop(engine, "ann", Side.BUY, target, price, quantity)
    assert engine.take_events() == []
    assert engine.open_orders("ann") == []
