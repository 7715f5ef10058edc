from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import MarketRules, OrderSide
from gateway.domain.order_errors import AgainstRules
from gateway.domain.orders import OrderSpec, OrderType, PlaceOrder
from gateway.exchange import ERROR_CODES
from gateway.services.risk_of_market import check_price_band, check_terms, check_total
from tests.unit.services.examples import BTC

BUY, SELL = OrderSide.BUY, OrderSide.SELL
RULES = MarketRules(
    symbol=BTC,
    price_precision=2,
    quantity_precision=4,
    total_precision=1,
    min_total=Decimal(10),
    min_quantity=Decimal("0.01"),
    maker_fee_percent=Decimal("0.2"),
    taker_fee_percent=Decimal("0.2"),
    enabled=True,
    order_enabled=True,
    cancel_enabled=True,
)


def order(kind: OrderType = OrderType.LIMIT, side: OrderSide = BUY, **terms: str) -> PlaceOrder:
    given_terms = terms or {"price": "100", "quantity": "1"}
    spec = OrderSpec(type=kind, **{name: Decimal(value) for name, value in given_terms.items()})
    return PlaceOrder("demo", "id-1", BTC, side, spec)


def limit(price: str = "100", quantity: str = "1", side: OrderSide = BUY) -> PlaceOrder:
    return order(side=side, price=price, quantity=quantity)


def refused(rule: str, exchange_code: str, figures: str) -> AbstractContextManager[object]:
    """Refused by the rule, with the exchange's own name and the figures."""
    name = ERROR_CODES[exchange_code].name

    def as_told(error: AgainstRules) -> bool:
        return (error.rule, error.code) == (rule, name) and figures in str(error)

    return pytest.raises(AgainstRules, check=as_told)


@pytest.mark.parametrize(
    "rules",
    [replace(RULES, enabled=False), replace(RULES, order_enabled=False)],
    ids=["market", "orders"],
)
def test_a_market_that_takes_no_orders_gets_none(rules: MarketRules) -> None:
    with refused("market.enabled", "10038", BTC):
        check_terms(limit(), rules)


@pytest.mark.parametrize(
    ("command", "rule", "exchange_code", "figures"),
    [
        (
            limit(price="100.001"),
            "market.price_precision",
            "20007",
            "price 100.001 has more than 2",
        ),
        (
            order(OrderType.STOP_LIMIT, stop_price="99.999", price="100", quantity="1"),
            "market.price_precision",
            "20008",
            "stopPrice 99.999 has more than 2",
        ),
        (limit(quantity="0.009"), "market.min_quantity", "10040", "0.009; the least is 0.01"),
        (limit(quantity="1.00001"), "market.quantity_precision", "20009", "quantity 1.00001"),
        (
            order(OrderType.FAST, quote_total="20.55"),
            "market.total_precision",
            "20012",
            "quoteTotal 20.55 has more than 1",
        ),
    ],
)
def test_terms_that_a_market_cannot_express_are_refused_with_their_figures(
    command: PlaceOrder, rule: str, exchange_code: str, figures: str
) -> None:
    with refused(rule, exchange_code, figures):
        check_terms(command, RULES)


@pytest.mark.parametrize(
    "command",
    [
        limit("100.12", "0.0100"),
        limit("100.1200", "1.00000"),
        order(OrderType.MARKET, quantity="0.01"),
        order(OrderType.FAST, quote_total="20.5"),
        order(OrderType.STOP_LIMIT, stop_price="99.99", price="100", quantity="1"),
    ],
)
def test_terms_within_the_decimals_pass_whatever_zeros_they_are_written_with(
    command: PlaceOrder,
) -> None:
    check_terms(command, RULES)


@given(places=st.integers(0, 12), number=st.integers(1, 10**18))
def test_a_price_passes_exactly_when_it_is_a_multiple_of_the_market_s_step(
    places: int, number: int
) -> None:
    price = Decimal(number).scaleb(-6)
    try:
        check_terms(limit(price=format(price, "f")), replace(RULES, price_precision=places))
        passed = True
    except AgainstRules:
        passed = False
    assert passed == (number * 10**places % 10**6 == 0)


@pytest.mark.parametrize(
    ("command", "price", "figures"),
    [
        (limit("99", "0.1"), "99", "9.9; the least is 10"),
        (order(OrderType.MARKET, quantity="0.1"), "99.9", "9.99; the least is 10"),
        (order(OrderType.FAST, quote_total="9"), None, "9; the least is 10"),
    ],
)
def test_an_order_worth_too_little_is_refused(
    command: PlaceOrder, price: str | None, figures: str
) -> None:
    with refused("market.min_total", "10039", figures):
        check_total(command, RULES, None if price is None else Decimal(price))


def test_a_market_order_whose_price_nobody_knows_is_left_to_the_exchange() -> None:
    check_total(order(OrderType.MARKET, quantity="0.01"), RULES, None)


def test_an_order_worth_the_least_passes() -> None:
    check_total(limit("100", "0.1"), RULES, Decimal(100))


@pytest.mark.parametrize(
    ("side", "price", "exchange_code", "figures"),
    [
        (SELL, "250.01", "10061", "250.01 is above 250, 250 % of the last, 100"),
        (BUY, "39.99", "10062", "39.99 is below 40, 40 % of the last, 100"),
    ],
)
def test_a_price_too_far_on_its_own_side_is_refused(
    side: OrderSide, price: str, exchange_code: str, figures: str
) -> None:
    with refused("market.price_band", exchange_code, figures):
        check_price_band(limit(price, side=side), Decimal(100))


@pytest.mark.parametrize(
    ("side", "price", "last"),
    [(SELL, "250", "100"), (BUY, "40", "100"), (SELL, "1", "100"), (BUY, "999", "100")],
)
def test_a_price_at_the_bound_or_on_the_other_side_passes(
    side: OrderSide, price: str, last: str
) -> None:
    check_price_band(limit(price, side=side), Decimal(last))


def test_without_a_last_price_no_price_is_too_far() -> None:
    check_price_band(limit("9999", side=SELL), None)
