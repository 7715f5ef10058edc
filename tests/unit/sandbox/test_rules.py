"""Where the band of prices ends; and of several faults, the one that is named first refuses."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.events import Side
from gateway.sandbox.markets import Market, default_markets
from gateway.sandbox.order_requests import (
    FastBuy,
    FastSell,
    ImmediateOrder,
    LimitOrder,
    MarketOrder,
    StopLimitOrder,
)
from gateway.sandbox.rules import check_immediate, check_priced

MARKET = replace(default_markets()["BTCUSDT"], min_quantity=Decimal("0.001"))
CLOSED = replace(MARKET, enabled=False, market_orders=False, fast_orders=False)
LAST = Decimal(50_000)

GOOD, TINY, OFF_STEP = Decimal(1), Decimal("0.0001"), Decimal("1.0000001")
FAR, OFF_TICK = Decimal(1), Decimal("50000.001")


def stop(target: Decimal, price: Decimal, quantity: Decimal) -> StopLimitOrder:
    return StopLimitOrder("BTCUSDT", Side.BUY, target, price, quantity)


def limit(price: Decimal, quantity: Decimal) -> LimitOrder:
    return LimitOrder("BTCUSDT", Side.BUY, price, quantity)


@pytest.mark.parametrize(("side", "price"), [(Side.SELL, "125000"), (Side.BUY, "20000")])
def test_a_price_may_be_250_percent_of_the_last_to_sell_and_40_to_buy(
    side: Side, price: str
) -> None:
    check_priced(MARKET, LimitOrder("BTCUSDT", side, Decimal(price), GOOD), LAST)


@pytest.mark.parametrize(
    ("side", "price", "code"),
    [
        (Side.SELL, "125000.01", Code.SELL_PRICE_TOO_HIGH),
        (Side.BUY, "19999.99", Code.BUY_PRICE_TOO_LOW),
    ],
)
def test_a_price_may_be_no_tick_beyond_the_band(side: Side, price: str, code: Code) -> None:
    with pytest.raises(Refusal, match=code.value):
        check_priced(MARKET, LimitOrder("BTCUSDT", side, Decimal(price), GOOD), LAST)


@pytest.mark.parametrize(
    ("market", "request_", "code"),
    [
        (CLOSED, stop(OFF_TICK, OFF_TICK, OFF_STEP), Code.MARKET_DISABLED),
        (MARKET, stop(OFF_TICK, OFF_TICK, OFF_STEP), Code.INVALID_PRICE),
        (MARKET, stop(OFF_TICK, FAR, OFF_STEP), Code.INVALID_TARGET),
        (MARKET, stop(LAST, FAR, TINY), Code.QUANTITY_UNDER_LIMIT),
        (MARKET, stop(LAST, FAR, OFF_STEP), Code.INVALID_QUANTITY),
        (MARKET, limit(FAR, GOOD), Code.TOTAL_UNDER_LIMIT),
        (MARKET, limit(FAR * 20, GOOD), Code.BUY_PRICE_TOO_LOW),
    ],
)
def test_an_order_with_a_price_is_checked_in_a_fixed_order(
    market: Market, request_: LimitOrder | StopLimitOrder, code: Code
) -> None:
    with pytest.raises(Refusal, match=code.value):
        check_priced(market, request_, LAST)


@pytest.mark.parametrize(
    ("market", "request_", "code"),
    [
        (CLOSED, FastBuy("BTCUSDT", OFF_TICK), Code.MARKET_DISABLED),
        (
            replace(CLOSED, enabled=True),
            FastBuy("BTCUSDT", OFF_TICK),
            Code.FAST_ORDER_NOT_AVAILABLE,
        ),
        (
            replace(CLOSED, enabled=True),
            MarketOrder("BTCUSDT", Side.BUY, TINY),
            Code.MARKET_ORDER_NOT_AVAILABLE,
        ),
        (MARKET, FastBuy("BTCUSDT", Decimal("9.999")), Code.INVALID_TOTAL),
        (MARKET, FastBuy("BTCUSDT", Decimal("9.99")), Code.TOTAL_UNDER_LIMIT),
        (MARKET, FastSell("BTCUSDT", TINY), Code.QUANTITY_UNDER_LIMIT),
        (MARKET, MarketOrder("BTCUSDT", Side.SELL, OFF_STEP), Code.INVALID_QUANTITY),
    ],
)
def test_an_immediate_order_is_checked_in_a_fixed_order(
    market: Market, request_: ImmediateOrder, code: Code
) -> None:
    with pytest.raises(Refusal, match=code.value):
        check_immediate(market, request_)
