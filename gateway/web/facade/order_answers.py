"""What answers the endpoints that place and cancel orders ("Signed Market Endpoints").

Parameters are looked at in the exchange's order: symbol, price, target, amount, total. A caller who
may not place orders at all, or names no market, is told that first.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gateway.access.policy import Action
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, OrderType, PlaceOrder
from gateway.exchange import ORDER_NOT_OPEN
from gateway.schema.context import permit
from gateway.services.cancels import CancelUnknown
from gateway.services.market_data import MarketView
from gateway.web.facade import codes, replies
from gateway.web.facade.access import Access
from gateway.web.facade.answers import Answer, success
from gateway.web.facade.outcomes import order_of, unsure
from gateway.web.facade.parameters import Parameters
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.refusals import Refusal, refusal_of
from gateway.web.facade.requests import FacadeCall

Answering: TypeAlias = Callable[[FacadeParts, FacadeCall], Awaitable[Answer]]


def placing(side: OrderSide, terms: Callable[[Parameters], OrderSpec]) -> Answering:
    """What answers an endpoint that places orders of a side with the `terms` of one type."""

    async def answer(parts: FacadeParts, call: FacadeCall) -> Answer:
        symbol, spec = await _order_in(parts, call, terms)
        command = PlaceOrder(call.account, call.client_order_id, symbol, side, spec)
        order = order_of(await parts.services.orders.place(call.caller, command))
        return success({} if order is None else replies.placed_order(order))

    return answer


def limit(parameters: Parameters) -> OrderSpec:
    """The terms of 'New Limit Buy Order' and 'New Limit Sell Order'."""
    price = parameters.money("price", codes.BAD_PRICE)
    quantity = parameters.money("amount", codes.BAD_AMOUNT)
    return OrderSpec(type=OrderType.LIMIT, price=price, quantity=quantity)


def market(parameters: Parameters) -> OrderSpec:
    """The terms of 'New Market Buy Order' and 'New Market Sell Order'."""
    return OrderSpec(type=OrderType.MARKET, quantity=parameters.money("amount", codes.BAD_AMOUNT))


def stop_limit(parameters: Parameters) -> OrderSpec:
    """The terms of 'New Stop Limit Buy Order' and 'New Stop Limit Sell Order'."""
    price = parameters.money("price", codes.BAD_PRICE)
    stop_price = parameters.money("target", codes.BAD_TARGET)
    quantity = parameters.money("amount", codes.BAD_AMOUNT)
    return OrderSpec(
        type=OrderType.STOP_LIMIT, price=price, stop_price=stop_price, quantity=quantity
    )


def fast_buy(parameters: Parameters) -> OrderSpec:
    """The terms of 'New Fast Buy Order'."""
    return OrderSpec(type=OrderType.FAST, quote_total=parameters.money("total", codes.BAD_TOTAL))


def fast_sell(parameters: Parameters) -> OrderSpec:
    """The terms of 'New Fast Sell Order'."""
    return OrderSpec(type=OrderType.FAST, quantity=parameters.money("amount", codes.BAD_AMOUNT))


async def cancel(parts: FacadeParts, call: FacadeCall) -> Answer:
    """Answer 'Cancel An Active Order'; the order comes with it where something is known of it."""
    try:
        order_id = call.parameters.order_id()
    except Refusal:
        permit(parts.services, call.caller, (Action.ORDERS_CANCEL, call.account))
        raise
    outcome = await parts.services.cancels.cancel(call.caller, call.account, order_id)
    if isinstance(outcome, CancelUnknown):
        raise unsure(Access.CANCEL)
    if outcome.before:  # the exchange has no such order open, and says so
        raise refusal_of(ORDER_NOT_OPEN)
    return success({} if outcome.order is None else replies.placed_order(outcome.order))


async def _order_in(
    parts: FacadeParts, call: FacadeCall, terms: Callable[[Parameters], OrderSpec]
) -> tuple[str, OrderSpec]:
    """The symbol and the terms; raises Refusal, and what the exchange would check before them."""
    symbol = ""
    try:
        symbol = call.parameters.symbol()
        return symbol, terms(call.parameters)
    except Refusal:
        permit(parts.services, call.caller, (Action.ORDERS_PLACE, call.account))
        if symbol:
            await MarketView(parts.services.market_data, parts.services.now).market(symbol)
        raise
