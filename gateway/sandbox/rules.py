"""What a market refuses before it looks at its book and at balances. Pure.

The checks come in the order of the codes in each docstring; the first that fails refuses.
"""

from decimal import Decimal

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.events import OrderType, Side
from gateway.sandbox.markets import MAX_SELL_OF_LAST, MIN_BUY_OF_LAST, Market
from gateway.sandbox.order_requests import FastBuy, ImmediateOrder, LimitOrder, StopLimitOrder

# What a market says when it has no such order: it does not take the type, or its book is empty.
NOT_AVAILABLE = {
    OrderType.MARKET: Code.MARKET_ORDER_NOT_AVAILABLE,
    OrderType.FAST: Code.FAST_ORDER_NOT_AVAILABLE,
}


def check_priced(market: Market, request: LimitOrder | StopLimitOrder, last: Decimal) -> None:
    """Check an order with a price of its own; ``last`` is the market's last price.

    Raises Refusal 10038, 20007, 20008, 10040, 20009, 10039, 10061 or 10062.
    """
    _check_open(market)
    _check_step(request.price, market.tick, Code.INVALID_PRICE)
    if isinstance(request, StopLimitOrder):
        _check_step(request.target, market.tick, Code.INVALID_TARGET)
    _check_quantity(market, request.quantity)
    check_total(market, request.price * request.quantity)
    if request.side is Side.SELL and request.price > last * MAX_SELL_OF_LAST:
        raise Refusal(Code.SELL_PRICE_TOO_HIGH)
    if request.side is Side.BUY and request.price < last * MIN_BUY_OF_LAST:
        raise Refusal(Code.BUY_PRICE_TOO_LOW)


def check_immediate(market: Market, request: ImmediateOrder) -> None:
    """Check an order that takes what there is.

    Raises Refusal 10038, 10042 or 10060, then 10040, 20009 or, for a total, 20012, 10039.
    """
    _check_open(market)
    if not (market.fast_orders if request.type is OrderType.FAST else market.market_orders):
        raise Refusal(NOT_AVAILABLE[request.type])
    if isinstance(request, FastBuy):
        _check_step(request.total, market.total_step, Code.INVALID_TOTAL)
        check_total(market, request.total)
    else:
        _check_quantity(market, request.quantity)


def check_total(market: Market, total: Decimal) -> None:
    """Raise Refusal 10039 for a total under the market's limit."""
    if total < market.min_total:
        raise Refusal(Code.TOTAL_UNDER_LIMIT)


def _check_open(market: Market) -> None:
    if not (market.enabled and market.order_enabled):
        raise Refusal(Code.MARKET_DISABLED)


def _check_quantity(market: Market, quantity: Decimal) -> None:
    if 0 < quantity < market.min_quantity:
        raise Refusal(Code.QUANTITY_UNDER_LIMIT)
    _check_step(quantity, market.quantity_step, Code.INVALID_QUANTITY)


def _check_step(value: Decimal, step: Decimal, otherwise: Code) -> None:
    if value <= 0 or value % step:
        raise Refusal(otherwise)
