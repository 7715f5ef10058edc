from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Balance, BookChanged, OrderChanged, OrderStatus, Side, Trade
from gateway.sandbox.markets import default_markets
from tests.unit.sandbox.clients import ANN, BOB, build_engine, place


def refused(engine: Engine, side: Side, price: str, quantity: str, symbol: str = "BTCUSDT") -> Code:
    with pytest.raises(Refusal) as caught:
        place(engine, "ann", side, price, quantity, symbol)
    return caught.value.code


def test_an_order_that_meets_nobody_rests_and_holds_what_it_may_cost(engine: Engine) -> None:
    order = place(engine, "ann", Side.BUY, "50000", "2")
    assert order.status is OrderStatus.NEW
    assert engine.open_orders("ann") == [order]
    assert engine.ledger.balance("ann", "USDT") == Balance(Decimal(900_000), Decimal(100_000))


def test_a_sell_order_holds_the_base_asset(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "60000", "3")
    assert engine.ledger.balance("ann", "BTC") == Balance(Decimal(47), Decimal(3))


def test_a_crossing_order_fills_at_the_resting_price_and_gets_the_difference_back(
    engine: Engine,
) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    taken = place(engine, "bob", Side.BUY, "51000", "1")
    assert taken.status is OrderStatus.FILLED
    assert engine.ledger.balance("bob", "USDT") == Balance(Decimal(950_000), Decimal(0))
    assert engine.open_orders("ann") == engine.open_orders("bob") == []


def test_the_fee_of_both_sides_is_taken_from_what_they_receive(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "bob", Side.BUY, "50000", "1")
    assert engine.ledger.balance("bob", "BTC").available == Decimal("50.998")
    assert engine.ledger.balance("ann", "USDT").available == Decimal(1_049_900)
    assert engine.ledger.fees == {"BTC": Decimal("0.002"), "USDT": Decimal(100)}


def test_the_rest_of_a_partly_filled_order_stands(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    order = place(engine, "bob", Side.BUY, "50000", "3")
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.filled == 1
    assert engine.open_orders("bob") == [order]
    assert engine.ledger.balance("bob", "USDT").held == 100_000


def test_a_better_price_comes_first_and_at_one_price_the_older_order(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50010", "1")
    older = place(engine, "ann", Side.SELL, "50000", "1")
    younger = place(engine, "ann", Side.SELL, "50000", "1")
    engine.take_events()
    place(engine, "bob", Side.BUY, "50010", "2")
    trades = [event for event in engine.take_events() if isinstance(event, Trade)]
    assert [trade.maker.order_id for trade in trades] == [older.order_id, younger.order_id]


def test_a_partial_fill_keeps_the_place_in_the_queue(engine: Engine) -> None:
    first = place(engine, "ann", Side.SELL, "50000", "2")
    place(engine, "ann", Side.SELL, "50000", "2")
    place(engine, "bob", Side.BUY, "50000", "1")
    engine.take_events()
    place(engine, "bob", Side.BUY, "50000", "1")
    (trade,) = [event for event in engine.take_events() if isinstance(event, Trade)]
    assert trade.maker.order_id == first.order_id


def test_a_trade_moves_the_last_price(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "52000", "1")
    place(engine, "bob", Side.BUY, "52000", "1")
    assert engine.tapes["BTCUSDT"].last == 52_000


def test_an_order_tells_each_of_its_states_in_turn(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "ann", Side.SELL, "50001", "1")
    engine.take_events()
    place(engine, "bob", Side.BUY, "50001", "2")
    events = engine.take_events()
    states = [
        event.order.status
        for event in events
        if isinstance(event, OrderChanged) and event.order.account_id == "bob"
    ]
    assert states == [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED]
    assert BookChanged("BTCUSDT") in events
    assert engine.take_events() == []


def test_a_cancelled_order_leaves_the_book_and_gives_back_what_it_held(engine: Engine) -> None:
    order = place(engine, "ann", Side.BUY, "50000", "2")
    assert engine.cancel("ann", order.order_id).status is OrderStatus.CANCELLED
    assert engine.books["BTCUSDT"].bids.best() is None
    assert engine.ledger.balance("ann", "USDT") == Balance(Decimal(1_000_000))


def test_an_order_of_another_account_cannot_be_cancelled(engine: Engine) -> None:
    order = place(engine, "ann", Side.BUY, "50000", "2")
    with pytest.raises(Refusal, match="10075 Order not found"):
        engine.cancel("bob", order.order_id)


def test_an_order_is_cancelled_once(engine: Engine) -> None:
    order = place(engine, "ann", Side.BUY, "50000", "2")
    engine.cancel("ann", order.order_id)
    with pytest.raises(Refusal, match="10075"):
        engine.cancel("ann", order.order_id)


def test_an_order_that_would_meet_an_own_order_is_refused_as_a_whole(engine: Engine) -> None:
    place(engine, "bob", Side.SELL, "50000", "1")
    place(engine, "ann", Side.SELL, "50001", "1")
    engine.take_events()
    assert refused(engine, Side.BUY, "50001", "2") is Code.WASH_TRADING
    assert engine.take_events() == []


def test_an_own_order_further_back_than_the_fill_reaches_is_no_hindrance(engine: Engine) -> None:
    place(engine, "bob", Side.SELL, "50000", "1")
    place(engine, "ann", Side.SELL, "50001", "1")
    assert place(engine, "ann", Side.BUY, "50001", "1").status is OrderStatus.FILLED


@pytest.mark.parametrize(
    ("side", "price", "quantity", "code"),
    [
        (Side.BUY, "50000", "21", Code.INSUFFICIENT_BALANCE),
        (Side.SELL, "50000", "50.000001", Code.INSUFFICIENT_BALANCE),
        (Side.BUY, "50000", "0.000001", Code.TOTAL_UNDER_LIMIT),
        (Side.BUY, "50000", "0.0000009", Code.QUANTITY_UNDER_LIMIT),
        (Side.BUY, "50000", "1.0000001", Code.INVALID_QUANTITY),
        (Side.BUY, "50000", "0", Code.INVALID_QUANTITY),
        (Side.BUY, "50000.001", "1", Code.INVALID_PRICE),
        (Side.BUY, "0", "1", Code.INVALID_PRICE),
        (Side.SELL, "134907.83", "1", Code.SELL_PRICE_TOO_HIGH),
        (Side.BUY, "21585.25", "1", Code.BUY_PRICE_TOO_LOW),
    ],
)
def test_an_order_against_the_rules_is_refused_by_its_code(
    engine: Engine, side: Side, price: str, quantity: str, code: Code
) -> None:
    assert refused(engine, side, price, quantity) is code
    assert engine.take_events() == []


@pytest.mark.parametrize(
    ("side", "price", "quantity"),
    [
        (Side.SELL, "134907.82", "1"),
        (Side.BUY, "21585.26", "1"),
        (Side.BUY, "50000", "0.0002"),
        (Side.BUY, "50000", "20"),
        (Side.SELL, "50000", "50"),
    ],
)
def test_an_order_at_the_edge_of_the_rules_stands(
    engine: Engine, side: Side, price: str, quantity: str
) -> None:
    assert place(engine, "ann", side, price, quantity).status is OrderStatus.NEW


def test_an_unknown_market_is_refused(engine: Engine) -> None:
    assert refused(engine, Side.BUY, "1", "1", "BTCEUR") is Code.INVALID_SYMBOL


def test_a_disabled_market_takes_no_orders() -> None:
    market = replace(default_markets()["BTCUSDT"], enabled=False)
    engine = build_engine(ANN, BOB, markets={"BTCUSDT": market})
    assert refused(engine, Side.BUY, "50000", "1") is Code.MARKET_DISABLED


def test_a_market_may_let_no_orders_go() -> None:
    market = replace(default_markets()["BTCUSDT"], cancel_enabled=False)
    engine = build_engine(ANN, BOB, markets={"BTCUSDT": market})
    order = place(engine, "ann", Side.BUY, "50000", "1")
    with pytest.raises(Refusal, match="10038"):
        engine.cancel("ann", order.order_id)
    assert engine.open_orders("ann") == [order]
