"""An exchange whose stream calls orders by other ids than its REST, as the document's samples do.

The gateway joins by id alone: such an order is told under both ids, its frames know of no
placement, and what REST listed stays as it was until the next list.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.cli.operations import operation
from gateway.sandbox import StreamOrderIds
from tests.functional.callers import Json, Socket, open_socket
from tests.functional.conftest import FreshService
from tests.functional.exchange import QUIET
from tests.functional.ordering import accepted, cancel, open_orders
from tests.functional.service import Service

OTHER_IDS = replace(QUIET, stream_order_ids=StreamOrderIds.OTHER)


@contextmanager
def following(service: Service, operation_name: str) -> Iterator[Socket]:
    """Follow the account demo."""
    with open_socket(service.ws_url, service.caller().token) as socket:
        socket.subscribe(operation(operation_name), account="demo")
        yield socket


def told(socket: Socket, count: int) -> list[Json]:
    """The next events about orders."""
    return [socket.next()["orders"] for _ in range(count)]


def next_open_or_cancelled(socket: Socket) -> Json:
    """The next order that is not told to have vanished, as those do whose ids no list shows."""
    while (event := socket.next()["orders"]).get("status") not in ("NEW", "CANCELLED"):
        pass
    return event


def test_orders_are_placed_listed_and_cancelled_by_the_ids_of_rest(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(OTHER_IDS)
    caller = service.caller()
    with following(service, "watch-balances"):
        order_id = accepted(caller, "by-rest")["order"]["orderId"]
        assert open_orders(caller).keys() == {order_id}
        assert cancel(caller, order_id)["__typename"] == "OrderCancelled"
        assert open_orders(caller) == {}
    (truth,) = service.exchange.orders("demo")
    assert (truth["orderId"], truth["status"]) == (order_id, "CANCELLED")
    assert service.complaints() == []


def test_the_stream_tells_each_state_and_the_next_list_which_orders_are_open(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(OTHER_IDS)
    caller = service.caller()
    going = accepted(caller, "going", price="300001")["order"]["orderId"]
    service.exchange.streams("cut", account="demo")
    with following(service, "watch-orders") as socket:
        while socket.next()["orders"].get("orderId") != going:
            pass
        staying = accepted(caller, "staying", price="300000")["order"]["orderId"]
        cancel(caller, going)
        frames = [next_open_or_cancelled(socket) for _ in range(2)]
        assert [(frame["price"], frame["status"]) for frame in frames] == [
            ("300000", "NEW"),
            ("300001", "CANCELLED"),
        ]
        assert {len(frame["orderId"]) for frame in frames} == {64}
        service.exchange.streams("cut", account="demo")
        gap, *listed = told(socket, 4)
        assert gap["__typename"] == "Gap"
        assert {order["orderId"]: order["status"] for order in listed} == {
            staying: "NEW",
            going: "CLOSED_UNKNOWN",
            frames[0]["orderId"]: "CLOSED_UNKNOWN",
        }
    assert service.complaints() == []
