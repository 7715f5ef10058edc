"""Orders and fills of the document's samples, in both directions."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.domain.account import Fill
from gateway.domain.errors import BadUserInput
from gateway.domain.market import OrderSide
from gateway.domain.orders import (
    Order,
    OrderSpec,
    OrderStatus,
    OrderType,
    PlaceOrder,
    StopDirection,
)
from gateway.exchange import account_wire, order_mapping, wire

D = Decimal
T = TypeVar("T")
SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"
ORDER_ID = "ce82ac3aed3e8b1cecc6fcd36ddc49936866c49bfa4f4f32fbfc12a005e995c9b3b52e2b"


def sample(name: str, shape: type[T]) -> T:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes(), shape)


LIMIT_BUY = Order(
    order_id=ORDER_ID,
    symbol="BTCUSDT",
    side=OrderSide.BUY,
    type=OrderType.LIMIT,
    status=OrderStatus.NEW,
    time=1578405048608,
    price=D(9500),
    quantity=D("0.001"),
    filled_quantity=D(0),
)
SIDES = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}
ORDERS = {
    "limit-buy": LIMIT_BUY,
    "limit-sell": replace(LIMIT_BUY, side=OrderSide.SELL),
    "market-sell": replace(
        LIMIT_BUY,
        order_id=None,
        side=OrderSide.SELL,
        type=OrderType.MARKET,
        status=OrderStatus.FILLED,
        price=None,
        filled_quantity=D("0.001"),
    ),
    "stop-limit-buy": replace(
        LIMIT_BUY,
        type=OrderType.STOP_LIMIT,
        filled_quantity=None,
        stop_price=D(9525),
        stop_direction=StopDirection.GREATER,
    ),
    "fast-buy": replace(
        LIMIT_BUY,
        order_id=None,
        type=OrderType.FAST,
        status=OrderStatus.FILLED,
        price=None,
        quantity=None,
        filled_quantity=None,
        quote_total=D(100),
        filled_total=D(100),
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_placed_is_read_as_it_was_accepted(name: str) -> None:
    assert order_mapping.map_order(sample(name, account_wire.OrderReply).order) == ORDERS[name]


@pytest.mark.parametrize(
    "name",
    [f"{kind}-{side}" for kind in ("limit", "market", "stop-limit", "fast") for side in SIDES],
)
def test_every_sample_of_an_order_placed_is_read_with_its_side(name: str) -> None:
    order = order_mapping.map_order(sample(name, account_wire.OrderReply).order)
    assert order.side is SIDES[name.rpartition("-")[2]]


def open_order(**fields: object) -> Order:
    (listed,) = sample("user-orders", account_wire.OrdersReply).orders
    for name, value in fields.items():
        setattr(listed, name, value)
    return order_mapping.map_order(listed)


def test_a_listed_order_is_new_until_something_of_it_is_filled() -> None:
    listed = open_order()
    assert listed.status is OrderStatus.NEW
    assert (listed.side, listed.type, listed.price) == (OrderSide.SELL, OrderType.LIMIT, D(47016))
    assert open_order(filled_amount=D("0.1")).status is OrderStatus.PARTIALLY_FILLED


def test_a_target_belongs_to_stop_orders_only() -> None:
    assert open_order(stop_type=1).stop_price is None
    stopping = open_order(order_type=2, target_price=D(9), stop_type=0)
    assert stopping.type is OrderType.STOP_LIMIT
    assert (stopping.stop_price, stopping.stop_direction) == (D(9), StopDirection.LESS)
    assert open_order(order_type=2, target_price=D(9)).stop_direction is None


def test_a_price_of_zero_stands_for_none() -> None:
    assert open_order(order_type=1, price=D(0)).price is None


def test_an_order_cancelled_with_all_others_is_cancelled() -> None:
    assert open_order(status="CANCELLED_ALL").status is OrderStatus.CANCELLED


WORDS: dict[str, dict[str, object]] = {
    "side": {"BUY": OrderSide.BUY, "SELL": OrderSide.SELL},
    "order_type": {
        "LIMIT": OrderType.LIMIT,
        "MARKET": OrderType.MARKET,
        "STOP LIMIT": OrderType.STOP_LIMIT,
        "FAST": OrderType.FAST,
    },
    "stop_type": {"LESS": StopDirection.LESS, "GREATER": StopDirection.GREATER},
}
NAMES = [
    (field, written, meant)
    for field, words in WORDS.items()
    for number, (word, meant) in enumerate(words.items())
    for written in (word, number, str(number))
]


@pytest.mark.parametrize(("field", "written", "meant"), NAMES, ids=repr)
def test_a_word_and_its_number_in_the_documents_tables_mean_the_same(
    field: str, written: str | int, meant: object
) -> None:
    order = open_order(**{"order_type": 2, "target_price": D(9), field: written})
    shown = {"side": order.side, "order_type": order.type, "stop_type": order.stop_direction}
    assert shown[field] is meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NEW", OrderStatus.NEW),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", OrderStatus.FILLED),
        ("CANCELLED", OrderStatus.CANCELLED),
        ("CANCELLED_ALL", OrderStatus.CANCELLED),
    ],
)
def test_a_status_of_the_documents_table_has_its_meaning(written: str, meant: OrderStatus) -> None:
    assert open_order(status=written).status is meant


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": D(1), "filled_amount": D("1.1")},
        {"total": D(1), "filled_total": D("1.1")},
        {"filled_amount": D(-1)},
        {"filled_total": D(-1)},
        {"price": D(-1)},
        {"amount": D(-1)},
        {"target_price": D(-1), "order_type": 2},
    ],
    ids=str,
)
def test_an_order_that_contradicts_itself_has_no_meaning(fields: dict[str, object]) -> None:
    with pytest.raises(wire.Unparsable):
        open_order(**fields)


def test_a_fast_buy_without_a_quantity_may_tell_what_it_has_filled() -> None:
    order = open_order(order_type=3, amount=D(0), filled_amount=D(1), total=D(5))
    assert (order.quantity, order.filled_quantity, order.quote_total) == (None, D(1), D(5))


def test_an_empty_order_id_is_none() -> None:
    assert open_order(order_id="").order_id is None


@pytest.mark.parametrize(
    "fields",
    [{"side": 2}, {"order_type": "ICEBERG"}, {"status": "SLEEPING"}, {"side": ""}],
    ids=str,
)
def test_a_name_without_a_meaning_is_not_guessed_at(fields: dict[str, object]) -> None:
    with pytest.raises(wire.Unparsable):
        open_order(**fields)


def fill(**fields: object) -> account_wire.FillRow:
    (row,) = sample("user-trades", account_wire.FillsReply).trades
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def test_a_fill_is_read_as_the_document_shows_it() -> None:
    assert order_mapping.map_fills([fill()]) == (
        Fill(
            symbol="BTCUSDT",
            price=D(9800),
            quantity=D("0.0012"),
            side=OrderSide.SELL,
            type=OrderType.LIMIT,
            fee=D("0.02352"),
            fee_asset="USDT",
            time=1591875237869,
        ),
    )


def test_fills_run_from_the_newest_to_the_oldest_and_those_of_one_moment_as_they_came() -> None:
    rows = [fill(time=time, price=D(price)) for time, price in ((1, 10), (2, 20), (1, 30))]
    assert [one.price for one in order_mapping.map_fills(rows)] == [D(20), D(10), D(30)]


@pytest.mark.parametrize(("written", "meant"), list(enumerate(OrderType)))
def test_a_fill_names_the_type_of_its_order(written: int, meant: OrderType) -> None:
    (one,) = order_mapping.map_fills([fill(order_type=written)])
    assert one.type is meant


def test_a_fee_may_be_paid_by_the_exchange() -> None:
    (one,) = order_mapping.map_fills([fill(commission=D("-0.1"))])
    assert one.fee == D("-0.1")


@pytest.mark.parametrize(
    "fields", [{"price": D(0)}, {"amount": D(0)}, {"amount": D(-1)}, {"side": 2}], ids=str
)
def test_a_fill_of_nothing_has_no_meaning(fields: dict[str, object]) -> None:
    with pytest.raises(wire.Unparsable):
        order_mapping.map_fills([fill(**fields)])


STOP = OrderSpec(
    type=OrderType.STOP_LIMIT, stop_price=D("9525"), price=D("9500.00"), quantity=D("1E-7")
)


def command(spec: OrderSpec, side: OrderSide = OrderSide.BUY) -> PlaceOrder:
    return PlaceOrder("demo", "a-1", "BTCUSDT", side, spec)


def test_an_order_has_the_documents_parameters_in_its_order() -> None:
    assert order_mapping.order_path(command(STOP)) == "market/stop-limit-buy"
    assert order_mapping.order_parameters(command(STOP)) == (
        ("symbol", "BTCUSDT"),
        ("price", D("9500.00")),
        ("target", D(9525)),
        ("amount", D("1E-7")),
    )


def test_a_fast_order_spends_a_total_when_it_buys_and_sells_a_quantity() -> None:
    total = OrderSpec(type=OrderType.FAST, quote_total=D(100))
    quantity = OrderSpec(type=OrderType.FAST, quantity=D(1))
    bought = order_mapping.order_parameters(command(total))
    sold = order_mapping.order_parameters(command(quantity, OrderSide.SELL))
    assert (bought[1], sold[1]) == (("total", D(100)), ("amount", D(1)))
    for wrong in (command(total, OrderSide.SELL), command(quantity)):
        with pytest.raises(BadUserInput, match="quoteTotal when buying"):
            order_mapping.order_parameters(wrong)


def test_an_order_is_answered_by_the_same_money_however_it_is_written() -> None:
    limit = command(OrderSpec(price=D("9500.0"), quantity=D("0.0010")))
    assert order_mapping.answers(LIMIT_BUY, limit)
    assert not order_mapping.answers(replace(LIMIT_BUY, order_id=None), limit)
    assert not order_mapping.answers(replace(LIMIT_BUY, price=D(9501)), limit)
    assert not order_mapping.answers(LIMIT_BUY, replace(limit, side=OrderSide.SELL))
