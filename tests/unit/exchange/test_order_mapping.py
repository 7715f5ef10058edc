"""Orders and fills of the document's samples, in both directions."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.domain.market import OrderSide
from gateway.domain.orders import (
    Order,
    OrderStatus,
    OrderType,
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


@pytest.mark.parametrize(
    "fields",
    [{"side": 2}, {"order_type": "ICEBERG"}, {"status": "SLEEPING"}, {"side": ""}],
    ids=str,
)
def test_a_name_without_a_meaning_is_not_guessed_at(fields: dict[str, object]) -> None:
    with pytest.raises(wire.Unparsable):
        open_order(**fields)
