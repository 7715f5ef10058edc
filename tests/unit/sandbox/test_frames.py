"""Order updates have one shape, whatever the order's type."""

import re
from dataclasses import replace
from decimal import Decimal

from gateway.sandbox import StreamOrderIds, frames
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import OrderChanged, OrderStatus, Side
from gateway.sandbox.order_requests import MarketOrder, OrderRequest, StopLimitOrder
from gateway.sandbox.replies import Body
from tests.unit.sandbox.clients import NOW, place


def last_update(engine: Engine, request: OrderRequest) -> Body:
    engine.place("bob", request, NOW)
    changes = [event for event in engine.take_events() if isinstance(event, OrderChanged)]
    return frames.order(changes[-1].order)


def test_a_stop_tells_its_target_and_which_way_it_lies(engine: Engine) -> None:
    request = StopLimitOrder(
        "BTCUSDT", Side.SELL, target=Decimal(55_000), price=Decimal(54_000), quantity=Decimal(2)
    )
    assert last_update(engine, request) == {
        "type": "orderUpdate",
        "order": {
            "status": "NEW",
            "market": "BTCUSDT",
            "orderType": 2,
            "side": 1,
            "price": 54_000,
            "amount": 2,
            "filledAmount": 0,
            "stopType": 1,
            "targetPrice": 55_000,
            "orderId": "1",
            "time": NOW,
        },
    }


def test_an_order_may_have_an_id_of_its_own_on_the_stream_and_keeps_it(engine: Engine) -> None:
    order = place(engine, "ann", Side.SELL, "50000", "2")
    other = place(engine, "ann", Side.SELL, "50000", "2")
    shown = [
        frames.order(one, StreamOrderIds.OTHER)["order"]["orderId"]
        for one in (order, replace(order, status=OrderStatus.CANCELLED), other)
    ]
    assert shown[0] == shown[1] != shown[2]
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in shown)


def test_an_order_without_a_price_of_its_own_tells_zero_and_its_id(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "2")
    assert last_update(engine, MarketOrder("BTCUSDT", Side.BUY, Decimal(1))) == {
        "type": "orderUpdate",
        "order": {
            "status": "FILLED",
            "market": "BTCUSDT",
            "orderType": 1,
            "side": 0,
            "price": 0,
            "amount": 1,
            "filledAmount": 1,
            "stopType": 0,
            "targetPrice": 0,
            "orderId": "2",
            "time": NOW,
        },
    }
