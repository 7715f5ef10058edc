from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.events import Order, OrderType, Side
from gateway.sandbox.exact import DIGITS
from gateway.sandbox.matching import affordable, meetings

STEP = Decimal("0.01")


def asks(*levels: tuple[str, str]) -> list[Order]:
    return [
        Order(
            order_id=str(number),
            account_id="ann",
            symbol="BTCUSDT",
            type=OrderType.LIMIT,
            side=Side.SELL,
            price=Decimal(price),
            quantity=Decimal(quantity),
            time=0,
        )
        for number, (price, quantity) in enumerate(levels)
    ]


def test_an_order_meets_the_resting_ones_in_turn_until_it_is_filled() -> None:
    met = meetings(asks(("10", "1"), ("11", "2"), ("12", "3")), Decimal(2))
    assert [(one.maker.order_id, one.quantity, one.total) for one in met] == [
        ("0", Decimal(1), Decimal(10)),
        ("1", Decimal(1), Decimal(11)),
    ]


def test_it_meets_all_of_them_when_they_are_too_few() -> None:
    met = meetings(asks(("10", "1"), ("11", "2")), Decimal(9))
    assert [one.quantity for one in met] == [1, 2]


@pytest.mark.parametrize(
    ("total", "quantity"),
    [
        ("10", "1"),
        ("9.99", "0.99"),
        ("10.1", "1"),
        ("0.09", "0"),
        ("31.99", "1.99"),
        ("32", "2"),
        # Beyond the end, at the last price.
        ("54", "3"),
    ],
)
def test_a_total_buys_whole_steps_from_the_cheapest_on(total: str, quantity: str) -> None:
    resting = asks(("10", "1"), ("22", "1"))
    assert affordable(resting, Decimal(total), STEP) == Decimal(quantity)


def test_a_total_buys_nothing_where_nobody_sells() -> None:
    assert affordable([], Decimal(10), STEP) == 0


def test_a_total_may_have_any_number_of_steps() -> None:
    resting = asks(("0.000000000001", "1"))
    step = Decimal("0.000000000001")
    with localcontext(prec=DIGITS):
        assert affordable(resting, Decimal(10) ** 12 - 1, step) == Decimal(10) ** 24 - 10**12


cents = st.integers(1, 10**6).map(lambda number: Decimal(number) / 100)


@given(st.lists(st.tuples(cents, cents), min_size=1, max_size=5), cents)
def test_what_is_affordable_costs_no_more_than_the_total_and_one_step_more_would(
    levels: list[tuple[Decimal, Decimal]], total: Decimal
) -> None:
    resting = asks(*((str(price), str(quantity)) for price, quantity in sorted(levels)))
    offered = sum(order.quantity for order in resting)
    quantity = affordable(resting, total, STEP)
    cost = sum(one.total for one in meetings(resting, quantity))
    assert cost <= total
    if quantity < offered:
        assert sum(one.total for one in meetings(resting, quantity + STEP)) > total
