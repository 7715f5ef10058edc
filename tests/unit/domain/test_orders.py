from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.market import OrderSide
from gateway.domain.orders import (
    SIGNED,
    OrderSpec,
    OrderStatus,
    OrderType,
    PlaceOrder,
    shown_id,
)


def command(price: Decimal, quantity: Decimal = Decimal(1), symbol: str = "BTCUSDT") -> PlaceOrder:
    return PlaceOrder(
        "demo", "c-1", symbol, OrderSide.BUY, OrderSpec(price=price, quantity=quantity)
    )


@given(st.decimals(min_value="1E-20", max_value="1E+20"), st.integers(0, 10))
def test_equal_money_is_the_same_command_however_it_is_written(value: Decimal, zeros: int) -> None:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if len(value.as_tuple().digits) + zeros > 36:
        return
    with localcontext(prec=36):
        longer = value.quantize(Decimal((0, (1,), exponent - zeros)))
    assert command(value).canonical() == command(longer).canonical()


def test_commands_that_differ_in_the_last_of_36_digits_are_two() -> None:
    one, other = Decimal("1." + "0" * 34 + "1"), Decimal("1." + "0" * 34 + "2")
    assert command(one).canonical() != command(other).canonical()


def test_other_terms_are_another_command() -> None:
    texts = {
        command(Decimal(1)).canonical(),
        command(Decimal(2)).canonical(),
        command(Decimal(1), Decimal(2)).canonical(),
        command(Decimal(1), symbol="ETHUSDT").canonical(),
    }
    assert len(texts) == 4


def test_orders_of_two_types_are_two_commands() -> None:
    one = Decimal(1)
    specs = (
        OrderSpec(price=one, quantity=one),
        OrderSpec(type=OrderType.STOP_LIMIT, stop_price=one, price=one, quantity=one),
        OrderSpec(type=OrderType.MARKET, quantity=one),
        OrderSpec(type=OrderType.FAST, quantity=one),
        OrderSpec(type=OrderType.FAST, quote_total=one),
    )
    texts = {replace(command(one), spec=spec).canonical() for spec in specs}
    assert len(texts) == len(specs)


def test_a_limit_order_reads_as_it_always_did_so_that_old_records_still_replay() -> None:
    assert command(Decimal("1.50")).canonical() == "LIMIT BUY BTCUSDT price=1.5 quantity=1"


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        (OrderType.LIMIT, ["price"]),
        (OrderType.LIMIT, ["price", "quantity", "stop_price"]),
        (OrderType.MARKET, ["price", "quantity"]),
        (OrderType.MARKET, []),
        (OrderType.STOP_LIMIT, ["price", "quantity"]),
        (OrderType.FAST, ["quote_total", "quantity"]),
    ],
)
def test_terms_that_a_type_does_not_have_make_no_order(kind: OrderType, terms: list[str]) -> None:
    with pytest.raises(ValueError, match=kind):
        OrderSpec(type=kind, **dict.fromkeys(terms, Decimal(1)))


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_is_open_or_has_ended(status: OrderStatus) -> None:
    assert status.terminal is (status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED))


def test_no_order_shows_the_id_that_may_be_a_signature() -> None:
    spec = OrderSpec(price=Decimal(1), quantity=Decimal(1))
    shown = repr(PlaceOrder("demo", f"v3:{'ab' * 32}", "BTCUSDT", OrderSide.BUY, spec))
    assert "ab" * 32 not in shown


def test_of_an_id_that_is_a_signature_a_digest_is_shown_and_any_other_as_it_is() -> None:
    signed = SIGNED + "ab" * 32
    assert shown_id("bot-17") == "bot-17"
    assert shown_id(signed) == "v3:657e5ba568316a1d"
    assert shown_id(SIGNED + "ac" * 32) != shown_id(signed)
