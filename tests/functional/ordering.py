"""Placing and cancelling orders through the gateway, with the published documents."""

from zlib import crc32

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, Socket

PLACE = operation("place-limit-order")
CANCEL = operation("cancel-order")
PLACEMENT = operation("placement")
ACCOUNT = operation("account")


def command(client_order_id: str, **changes: str) -> dict[str, str]:
    """A buy that rests far below everything, in a market that tests leave otherwise alone.

    Each id has a price of its own: an order like one that has no outcome yet would not be sent.
    """
    given = {
        "account": "demo",
        "clientOrderId": client_order_id,
        "symbol": "BTCTRY",
        "side": "BUY",
        "price": str(280_000 + crc32(client_order_id.encode()) % 10_000),
        "quantity": "0.001",
    }
    return given | changes


def place(caller: Caller, client_order_id: str, **changes: str) -> Json:
    """Send an order; give what became of it."""
    return caller.answer(PLACE, **command(client_order_id, **changes))["placeOrder"]


def accepted(caller: Caller, client_order_id: str, **changes: str) -> Json:
    """Send an order that the exchange accepts."""
    result = place(caller, client_order_id, **changes)
    assert result["__typename"] == "OrderAccepted", result
    return result


def cancel(caller: Caller, order_id: str) -> Json:
    """Cancel an order; give what became of that."""
    return caller.answer(CANCEL, account="demo", orderId=order_id)["cancelOrder"]


def open_orders(caller: Caller, symbol: str = "BTCTRY") -> dict[str, Json]:
    """The account's open orders in a market, by their ids."""
    account = caller.answer(ACCOUNT, id="demo", symbol=symbol)["account"]
    return {order["orderId"]: order for order in account["openOrders"]}


def next_event(socket: Socket, order_id: str) -> tuple[str, str]:
    """The state and the filled quantity in the next event about this order."""
    while (order := socket.next()["orders"])["orderId"] != order_id:
        pass
    return order["status"], order["filledQuantity"]
