"""The endpoints of orders and fills ("Signed Market Endpoints")."""

from gateway.sandbox import replies
from gateway.sandbox.codes import Code
from gateway.sandbox.endpoints import PATH_PREFIX, Endpoints, SignedEndpoint, Venue
from gateway.sandbox.engine import LimitOrder
from gateway.sandbox.events import Side
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from gateway.sandbox.replies import Body, success


def _limit_buy(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    return _limit(venue, account_id, parameters, Side.BUY)


def _limit_sell(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    return _limit(venue, account_id, parameters, Side.SELL)


def _limit(venue: Venue, account_id: str, parameters: Parameters, side: Side) -> Body:
    request = LimitOrder(
        symbol=venue.engine.market(parameters.text("symbol")).symbol,
        side=side,
        price=parameters.money("price", Code.INVALID_PRICE),
        quantity=parameters.money("amount", Code.INVALID_QUANTITY),
    )
    order = venue.engine.place_limit(account_id, request, venue.clock())
    return success(order=replies.placed_order(order))


def _cancel(venue: Venue, account_id: str, parameters: Parameters) -> Body:
    order = venue.engine.cancel(account_id, parameters.text("orderId"))
    return success(order=replies.placed_order(order))


def _open_orders(venue: Venue, account_id: str, _parameters: Parameters) -> Body:
    orders = venue.engine.open_orders(account_id)
    return success(orders=[replies.open_order(order) for order in orders])


ORDER_ENDPOINTS: Endpoints = {
    ("POST", PATH_PREFIX + "market/limit-buy"): SignedEndpoint(_limit_buy, Permission.TRADE),
    ("POST", PATH_PREFIX + "market/limit-sell"): SignedEndpoint(_limit_sell, Permission.TRADE),
    ("POST", PATH_PREFIX + "market/cancel-order"): SignedEndpoint(_cancel, Permission.TRADE),
    ("GET", PATH_PREFIX + "market/user-orders"): SignedEndpoint(_open_orders, Permission.READ),
}
