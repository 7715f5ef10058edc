"""An app sees and cancels its own orders; the rest of the account needs orders:read-all.

`trader` has that grant on the account demo, `second-trader` has not.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Json, Socket, open_socket
from tests.functional.conftest import FreshService, running_service
from tests.functional.ordering import accepted, cancel, open_orders
from tests.functional.service import Service

ORDERS = operation("watch-orders")
FILLS = operation("fills")


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two gateways on one Valkey."""
    with running_service(tmp_path_factory) as one, closing(one.replica()) as other:
        other.start()
        yield one, other


@pytest.fixture(autouse=True)
def swept(replicas: tuple[Service, Service]) -> Iterator[None]:
    """Leave no order behind."""
    yield
    replicas[0].exchange.sweep()


@contextmanager
def following(service: Service, name: str) -> Iterator[Socket]:
    """Follow the orders of the account demo."""
    with open_socket(service.ws_url, service.caller(name).token) as socket:
        socket.subscribe(ORDERS, account="demo")
        yield socket


def order_id_of(placed: Json) -> str:
    return str(placed["order"]["orderId"])


def test_open_orders_are_ones_own_unless_all_may_be_read(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    others = order_id_of(accepted(one.caller("trader"), "others"))
    own = order_id_of(accepted(one.caller("second-trader"), "own"))
    nobodys = one.exchange.demo.limit("buy", "BTCTRY", "300000", "0.001")
    for each in replicas:
        assert open_orders(each.caller("second-trader")).keys() == {own}
        assert open_orders(each.caller("trader")).keys() == {others, own, nobodys}
    assert open_orders(other.caller("auditor")) == {}


def test_only_own_orders_can_be_cancelled_and_no_other_cancel_is_sent(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    others = order_id_of(accepted(one.caller("trader"), "others-stays"))
    own = order_id_of(accepted(one.caller("second-trader"), "own-goes"))
    nobodys = one.exchange.demo.limit("buy", "BTCTRY", "300000", "0.001")
    for order_id in (others, nobodys, "0" * 72):
        refused = cancel(one.caller("second-trader"), order_id)
        assert (refused["__typename"], refused["code"]) == ("CancelRejected", "ORDER_NOT_FOUND")
        assert one.exchange.requests("market/cancel-order", orderId=order_id) == []
    assert cancel(other.caller("second-trader"), own)["__typename"] == "OrderCancelled"
    for order_id in (others, nobodys):
        assert cancel(other.caller("trader"), order_id)["__typename"] == "OrderCancelled"


def test_what_is_refused_tells_another_apps_order_from_none_in_nothing(
    replicas: tuple[Service, Service],
) -> None:
    one, _ = replicas
    others = order_id_of(accepted(one.caller("trader"), "others-secret"))
    answers = [cancel(one.caller("second-trader"), each) for each in (others, "0" * 72)]
    assert answers[0] == answers[1]


def test_a_stream_tells_ones_own_orders_alone_though_they_are_placed_on_another_replica(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    standing = order_id_of(accepted(one.caller("second-trader"), "own-standing-before"))
    with following(one, "second-trader") as seeing, following(one, "trader") as seeing_all:
        for socket in (seeing, seeing_all):
            assert socket.next()["orders"]["orderId"] == standing
        others = order_id_of(accepted(other.caller("trader"), "others-stream"))
        nobodys = one.exchange.demo.limit("buy", "BTCTRY", "300000", "0.001")
        own = order_id_of(accepted(other.caller("second-trader"), "own-stream"))
        cancel(other.caller("second-trader"), own)
        told = [seeing.next()["orders"] for _ in range(2)]
        assert [(each["orderId"], each["status"]) for each in told] == [
            (own, "NEW"),
            (own, "CANCELLED"),
        ]
        everything = [seeing_all.next()["orders"]["orderId"] for _ in range(4)]
        assert everything == [others, nobodys, own, own]


def test_a_stream_begins_with_ones_own_orders_alone(replicas: tuple[Service, Service]) -> None:
    one, other = replicas
    accepted(one.caller("trader"), "others-standing")
    own = order_id_of(accepted(one.caller("second-trader"), "own-standing"))
    with following(other, "second-trader") as seeing:
        assert seeing.next()["orders"]["orderId"] == own
        later = order_id_of(accepted(other.caller("second-trader"), "own-later"))
        assert seeing.next()["orders"]["orderId"] == later


def test_fills_are_the_accounts(replicas: tuple[Service, Service]) -> None:
    one, _ = replicas
    one.exchange.counterparty.limit("sell", "XRPTRY", "4.4", "10")
    accepted(one.caller("trader"), "others-fill", symbol="XRPTRY", price="4.4", quantity="10")
    (fill, *_) = one.caller("second-trader").answer(FILLS, account="demo", symbol="XRPTRY")[
        "account"
    ]["fills"]
    assert (fill["price"], fill["quantity"]) == ("4.4", "10")


def test_with_the_journal_away_known_own_orders_are_cancelled_and_others_are_not_guessed_at(
    fresh_service: FreshService,
) -> None:
    service = fresh_service()
    with closing(service.replica()) as other:
        other.start()
        here = order_id_of(accepted(service.caller("second-trader"), "placed-here"))
        elsewhere = order_id_of(accepted(other.caller("second-trader"), "placed-elsewhere"))
        service.valkey.kill()
        caller = service.caller("second-trader")
        account = operation("account")
        given = {"id": "demo", "symbol": "BTCTRY"}
        codes = {
            tuple(error["path"])[-1]: error["extensions"]["code"]
            for error in caller.post(account, **given).json()["errors"]
        }
        assert codes["openOrders"] == "JOURNAL_UNAVAILABLE"
        unknown = cancel(caller, elsewhere)
        assert (unknown["__typename"], unknown["code"]) == ("CancelRejected", "JOURNAL_UNAVAILABLE")
        assert cancel(caller, here)["__typename"] == "OrderCancelled"
        assert cancel(service.caller("trader"), elsewhere)["__typename"] == "OrderCancelled"
        service.valkey.start()


def test_a_placement_is_its_principals_alone(replicas: tuple[Service, Service]) -> None:
    one, _ = replicas
    placed = accepted(one.caller("trader"), "others-record")["placement"]["id"]
    document = "query ($id: ID!) { placement(id: $id) { id } }"
    assert one.caller("second-trader").answer(document, id=placed) == {"placement": None}
    assert one.caller("trader").answer(document, id=placed)["placement"]["id"] == placed
