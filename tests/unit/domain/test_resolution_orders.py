from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.orders import Order, OrderStatus
from gateway.domain.resolution_orders import Source, known_orders
from tests.unit.domain.resolution_cases import FAST, LIMIT, MARKET, order

NEW, FILLED, CANCELLED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELLED
UNKNOWN = OrderStatus.CLOSED_UNKNOWN


def test_rows_with_one_id_are_one_order() -> None:
    (known,) = known_orders((order("o1"),), (order("o1", at=60, status=FILLED, filled=10),))
    assert known.sources == {Source.OPEN, Source.ENDED}
    assert (known.order.status, known.filled) == (FILLED, Decimal(10))


def test_equal_rows_of_two_sources_are_one_order_by_the_id_of_the_list() -> None:
    (known,) = known_orders((order("o1"),), (order("s1"),))
    assert known.order.order_id == "o1"
    assert known.ids == {"o1", "s1"}


def test_equal_rows_of_one_source_are_two_orders() -> None:
    assert len(known_orders((order("o1"), order("o2")))) == 2
    assert len(known_orders((order("o1"), order("o2")), (order("s1"), order("s2")))) == 2


@pytest.mark.parametrize(
    "other",
    [
        order("s1", at=51),
        order("s1", replace(LIMIT, price=Decimal(101))),
        order("s1", MARKET),
    ],
    ids=["time", "price", "type"],
)
def test_rows_that_differ_are_two_orders(other: Order) -> None:
    assert len(known_orders((order("o1"),), (other,))) == 2


def test_what_one_row_lacks_the_other_tells() -> None:
    reply = replace(order(None, FAST), filled_quantity=None, filled_total=Decimal(999))
    frame = replace(order("s1", FAST, status=FILLED), quantity=Decimal(9), quote_total=None)
    reply = replace(reply, quote_total=Decimal(1000))
    (known,) = known_orders((), (frame,), (reply,))
    assert (known.order.quantity, known.order.quote_total) == (Decimal(9), Decimal(1000))
    assert (known.order.order_id, known.order.filled_total) == ("s1", Decimal(999))


def test_an_order_that_is_listed_open_is_open_though_it_vanished_under_another_id() -> None:
    (known,) = known_orders((order("o1"),), (order("s1", status=UNKNOWN),))
    assert known.order.status is NEW


def test_an_order_that_vanished_under_one_id_is_the_one_that_ended_under_another() -> None:
    (known,) = known_orders((), (order("o1", status=UNKNOWN), order("s1", status=FILLED)))
    assert known.order.status is FILLED
    assert known.ids == {"o1", "s1"}


@pytest.mark.parametrize(
    ("open_", "ended", "accepted", "filled"),
    [
        pytest.param(order(filled=3), None, None, 3, id="open"),
        pytest.param(replace(order(), filled_quantity=None), None, None, 0, id="open-and-new"),
        pytest.param(None, order(status=CANCELLED, filled=3), None, 3, id="cancelled"),
        pytest.param(None, order(status=FILLED), None, 10, id="filled"),
        pytest.param(None, order(status=UNKNOWN, filled=3), None, None, id="gone"),
        pytest.param(None, None, order(filled=3), None, id="accepted-and-not-seen-again"),
        pytest.param(None, None, order(None, MARKET, filled=3), 3, id="executed-at-once"),
    ],
)
def test_how_much_was_filled_is_told_where_it_is_certain(
    open_: Order | None, ended: Order | None, accepted: Order | None, filled: int | None
) -> None:
    rows = [filter(None, [each]) for each in (open_, ended, accepted)]
    (known,) = known_orders(rows[0], rows[1], rows[2])
    assert known.filled == filled
