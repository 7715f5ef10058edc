"""The exchange behind its endpoints: a request in, a reply out, events left to be published.

Pure but for the clock that it is handed: the HTTP edge only carries bytes to and fro.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gateway.sandbox import replies
from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.engine import Engine, LimitOrder
from gateway.sandbox.events import Side
from gateway.sandbox.markets import Market
from gateway.sandbox.parameters import Parameters, RawRequest, read_parameters
from gateway.sandbox.replies import Body, success
from gateway.sandbox.tape import INTERVALS_MS

PATH_PREFIX = "v3/api/"
DEFAULT_INTERVAL = "m1"

Clock: TypeAlias = Callable[[], int]


class Exchange:
    """Answers the document's endpoints; ``clock`` gives epoch ms."""

    def __init__(self, engine: Engine, authenticator: Authenticator, clock: Clock) -> None:
        self.engine = engine
        self.authenticator = authenticator
        self.clock = clock

    def answer(self, request: RawRequest) -> Body:
        """Answer a request to a known endpoint. Raises Refusal."""
        endpoint = ENDPOINTS[request.method, request.path]
        parameters = read_parameters(request)
        if isinstance(endpoint, PublicEndpoint):
            return endpoint.answer(self, parameters)
        account_id = self.authenticator.request_account(request.api_key, parameters, self.clock())
        return endpoint.answer(self, account_id, parameters)

    def market_body(self, market: Market) -> Body:
        """One market's row with its names."""
        statistics = self.engine.tapes[market.symbol].statistics(self.clock())
        return replies.market_row(market, statistics, self.engine.books[market.symbol])

    def ticker_body(self, market: Market) -> Body:
        """One market's statistics."""
        statistics = self.engine.tapes[market.symbol].statistics(self.clock())
        return replies.ticker(market, statistics, self.engine.books[market.symbol])


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """An endpoint that anybody may ask."""

    answer: Callable[[Exchange, Parameters], Body]


@dataclass(frozen=True, slots=True)
class SignedEndpoint:
    """An endpoint that acts for the account (its id) that signed."""

    answer: Callable[[Exchange, str, Parameters], Body]


def _ping(_exchange: Exchange, _parameters: Parameters) -> Body:
    return success(data="PONG")


def _time(exchange: Exchange, _parameters: Parameters) -> Body:
    return success(data=exchange.clock())


def _markets(exchange: Exchange, _parameters: Parameters) -> Body:
    markets = exchange.engine.markets.values()
    return success(markets=[exchange.market_body(market) for market in markets])


def _statistics(exchange: Exchange, parameters: Parameters) -> Body:
    return success(market=exchange.ticker_body(_market(exchange, parameters)))


def _rules(exchange: Exchange, parameters: Parameters) -> Body:
    return success(info=replies.market_rules(_market(exchange, parameters)))


def _candles(exchange: Exchange, parameters: Parameters) -> Body:
    tape = exchange.engine.tapes[_market(exchange, parameters).symbol]
    interval = parameters.values.get("interval", DEFAULT_INTERVAL)
    if interval not in INTERVALS_MS:
        raise Refusal(Code.INVALID_REQUEST)
    start, end = parameters.integer("startDate"), parameters.integer("endDate")
    rows = [
        replies.rest_candle(candle, INTERVALS_MS[interval])
        for candle in tape.candles(interval, start, end)
    ]
    return success(candles=rows)


def _top_of_book(exchange: Exchange, parameters: Parameters) -> Body:
    book = exchange.engine.books[_market(exchange, parameters).symbol]
    return success(book=replies.top_of_book(book))


def _depth(exchange: Exchange, parameters: Parameters) -> Body:
    book = exchange.engine.books[_market(exchange, parameters).symbol]
    return success(book=replies.depth(book))


def _trades(exchange: Exchange, parameters: Parameters) -> Body:
    tape = exchange.engine.tapes[_market(exchange, parameters).symbol]
    return success(trades=[replies.rest_trade(trade) for trade in tape.trades])


def _limit_buy(exchange: Exchange, account_id: str, parameters: Parameters) -> Body:
    return _limit(exchange, account_id, parameters, Side.BUY)


def _limit_sell(exchange: Exchange, account_id: str, parameters: Parameters) -> Body:
    return _limit(exchange, account_id, parameters, Side.SELL)


def _limit(exchange: Exchange, account_id: str, parameters: Parameters, side: Side) -> Body:
    request = LimitOrder(
        symbol=_market(exchange, parameters).symbol,
        side=side,
        price=parameters.money("price", Code.INVALID_PRICE),
        quantity=parameters.money("amount", Code.INVALID_QUANTITY),
    )
    order = exchange.engine.place_limit(account_id, request, exchange.clock())
    return success(order=replies.placed_order(order))


def _cancel(exchange: Exchange, account_id: str, parameters: Parameters) -> Body:
    order = exchange.engine.cancel(account_id, parameters.text("orderId"))
    return success(order=replies.placed_order(order))


def _open_orders(exchange: Exchange, account_id: str, _parameters: Parameters) -> Body:
    orders = exchange.engine.open_orders(account_id)
    return success(orders=[replies.open_order(order) for order in orders])


def _wallet(exchange: Exchange, account_id: str, _parameters: Parameters) -> Body:
    return success(wallet=replies.wallet(exchange.engine.ledger.balances(account_id)))


def _authentication_test(_exchange: Exchange, _account_id: str, _parameters: Parameters) -> Body:
    return success()


def _market(exchange: Exchange, parameters: Parameters) -> Market:
    return exchange.engine.market(parameters.text("symbol"))


ENDPOINTS: Mapping[tuple[str, str], PublicEndpoint | SignedEndpoint] = {
    ("GET", PATH_PREFIX + "ping"): PublicEndpoint(_ping),
    ("GET", PATH_PREFIX + "time"): PublicEndpoint(_time),
    ("GET", PATH_PREFIX + "market/markets"): PublicEndpoint(_markets),
    ("GET", PATH_PREFIX + "market/24h"): PublicEndpoint(_statistics),
    ("GET", PATH_PREFIX + "market/info"): PublicEndpoint(_rules),
    ("GET", PATH_PREFIX + "market/candles"): PublicEndpoint(_candles),
    ("GET", PATH_PREFIX + "market/orderbook"): PublicEndpoint(_top_of_book),
    ("GET", PATH_PREFIX + "market/depth"): PublicEndpoint(_depth),
    ("GET", PATH_PREFIX + "market/trades"): PublicEndpoint(_trades),
    ("POST", PATH_PREFIX + "market/limit-buy"): SignedEndpoint(_limit_buy),
    ("POST", PATH_PREFIX + "market/limit-sell"): SignedEndpoint(_limit_sell),
    ("POST", PATH_PREFIX + "market/cancel-order"): SignedEndpoint(_cancel),
    ("GET", PATH_PREFIX + "market/user-orders"): SignedEndpoint(_open_orders),
    ("GET", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_wallet),
    ("POST", PATH_PREFIX + "balance/wallet"): SignedEndpoint(_authentication_test),
}
