"""The endpoints of orders and fills ("Signed Market Endpoints").

Parameters are checked first, one after the other: symbol (20006, 10037), price (20007), target
(20008), amount (20009), total (20012), each missing one by 20005; then the engine's rules.
"""

from collections.abc import Callable

from gateway.sandbox import replies
from gateway.sandbox.codes import Code
from gateway.sandbox.endpoints import PATH_PREFIX, Endpoints, SignedEndpoint, Venue
from gateway.sandbox.events import Side
from gateway.sandbox.order_requests import (
    FastBuy,
    FastSell,
    LimitOrder,
    MarketOrder,
    OrderRequest,
    StopLimitOrder,
)
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from gateway.sandbox.replies import Body, success


def _limit(side: Side) -> SignedEndpoint:
    return _placing(
        lambda symbol, parameters: LimitOrder(
            symbol=symbol,
            side=side,
            price=parameters.money("price", Code.INVALID_PRICE),
            quantity=parameters.money("amount", Code.INVALID_QUANTITY),
        )
    )


def _market(side: Side) -> SignedEndpoint:
    return _placing(
        lambda symbol, parameters: MarketOrder(
            symbol=symbol,
            side=side,
            quantity=parameters.money("amount", Code.INVALID_QUANTITY),
        )
    )


def _stop_limit(side: Side) -> SignedEndpoint:
    return _placing(
        lambda symbol, parameters: StopLimitOrder(
            symbol=symbol,
            side=side,
            price=parameters.money("price", Code.INVALID_PRICE),
            target=parameters.money("target", Code.INVALID_TARGET),
            quantity=parameters.money("amount", Code.INVALID_QUANTITY),
        )
    )


def _fast_buy(symbol: str, parameters: Parameters) -> FastBuy:
    return FastBuy(symbol, total=parameters.money("total", Code.INVALID_TOTAL))


def _fast_sell(symbol: str, parameters: Parameters) -> FastSell:
    return FastSell(symbol, quantity=parameters.money("amount", Code.INVALID_QUANTITY))


def _placing(read: Callable[[str, Parameters], OrderRequest]) -> SignedEndpoint:
    """Make the endpoint that places the orders that ``read`` finds in a market's parameters."""

    def answer(venue: Venue, account_id: str, parameters: Parameters) -> Body:
        symbol = venue.engine.market(parameters.symbol()).symbol
        order = venue.engine.place(account_id, read(symbol, parameters), venue.clock())
        return success(order=replies.placed_order(order))

    return SignedEndpoint(answer, Permission.TRADE)


def _cancel(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    order = venue.engine.cancel(account_id, parameters.text("orderId"))
    return success(order=replies.placed_order(order))


def _open_orders(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    orders = venue.engine.open_orders(account_id)
    return success(orders=[replies.open_order(order) for order in orders])


def _user_trades(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    markets = venue.engine.markets
    trades = venue.engine.user_trades(account_id)
    rows = [replies.user_trade(trade, account_id, markets[trade.symbol]) for trade in trades]
    return success(trades=rows)


ORDER_ENDPOINTS: Endpoints = {
    ("POST", PATH_PREFIX + "market/limit-buy"): _limit(Side.BUY),
    ("POST", PATH_PREFIX + "market/limit-sell"): _limit(Side.SELL),
    ("POST", PATH_PREFIX + "market/market-buy"): _market(Side.BUY),
    ("POST", PATH_PREFIX + "market/market-sell"): _market(Side.SELL),
    ("POST", PATH_PREFIX + "market/stop-limit-buy"): _stop_limit(Side.BUY),
    ("POST", PATH_PREFIX + "market/stop-limit-sell"): _stop_limit(Side.SELL),
    ("POST", PATH_PREFIX + "market/fast-buy"): _placing(_fast_buy),
    ("POST", PATH_PREFIX + "market/fast-sell"): _placing(_fast_sell),
    ("POST", PATH_PREFIX + "market/cancel-order"): SignedEndpoint(_cancel, Permission.TRADE),
    ("GET", PATH_PREFIX + "market/user-orders"): SignedEndpoint(_open_orders, Permission.READ),
    ("GET", PATH_PREFIX + "market/user-trades"): SignedEndpoint(_user_trades, Permission.READ),
}
