"""The endpoints of the exchange's document, and what answers each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.domain.market import OrderSide
from gateway.web.facade import account_answers, market_answers, order_answers
from gateway.web.facade.access import Access
from gateway.web.facade.answers import Answer
from gateway.web.facade.order_answers import placing
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import FacadeCall, Route

_BUY, _SELL = OrderSide.BUY, OrderSide.SELL
_PUBLIC, _READ, _ORDER = Access.PUBLIC, Access.READ, Access.ORDER


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer` gives the reply; it raises `Refusal`, or a GatewayError for `outcomes` to tell."""

    access: Access
    answer: Callable[[FacadeParts, FacadeCall], Awaitable[Answer]]


ENDPOINTS: Mapping[Route, Endpoint] = {
    ("GET", "/v3/api/ping"): Endpoint(_PUBLIC, market_answers.ping),
    ("GET", "/v3/api/time"): Endpoint(_PUBLIC, market_answers.server_time),
    ("GET", "/v3/api/market/markets"): Endpoint(_PUBLIC, market_answers.markets),
    ("GET", "/v3/api/market/24h"): Endpoint(_PUBLIC, market_answers.statistics),
    ("GET", "/v3/api/market/info"): Endpoint(_PUBLIC, market_answers.rules),
    ("GET", "/v3/api/market/candles"): Endpoint(_PUBLIC, market_answers.candles),
    ("GET", "/v3/api/market/orderbook"): Endpoint(_PUBLIC, market_answers.top_of_book),
    ("GET", "/v3/api/market/depth"): Endpoint(_PUBLIC, market_answers.depth),
    ("GET", "/v3/api/market/trades"): Endpoint(_PUBLIC, market_answers.trades),
    ("POST", "/v3/api/market/limit-buy"): Endpoint(_ORDER, placing(_BUY, order_answers.limit)),
    ("POST", "/v3/api/market/limit-sell"): Endpoint(_ORDER, placing(_SELL, order_answers.limit)),
    ("POST", "/v3/api/market/market-buy"): Endpoint(_ORDER, placing(_BUY, order_answers.market)),
    ("POST", "/v3/api/market/market-sell"): Endpoint(_ORDER, placing(_SELL, order_answers.market)),
    ("POST", "/v3/api/market/stop-limit-buy"): Endpoint(
        _ORDER, placing(_BUY, order_answers.stop_limit)
    ),
    ("POST", "/v3/api/market/stop-limit-sell"): Endpoint(
        _ORDER, placing(_SELL, order_answers.stop_limit)
    ),
    ("POST", "/v3/api/market/fast-buy"): Endpoint(_ORDER, placing(_BUY, order_answers.fast_buy)),
    ("POST", "/v3/api/market/fast-sell"): Endpoint(_ORDER, placing(_SELL, order_answers.fast_sell)),
    ("POST", "/v3/api/market/cancel-order"): Endpoint(Access.CANCEL, order_answers.cancel),
    ("GET", "/v3/api/market/user-orders"): Endpoint(_READ, account_answers.open_orders),
    ("GET", "/v3/api/market/user-trades"): Endpoint(_READ, account_answers.user_trades),
    ("GET", "/v3/api/balance/wallet"): Endpoint(_READ, account_answers.wallet),
    ("POST", "/v3/api/balance/wallet"): Endpoint(_READ, account_answers.authentication_test),
    ("GET", "/v3/api/balance/currencies"): Endpoint(_READ, account_answers.currencies),
    ("POST", "/v3/api/balance/deposit"): Endpoint(_READ, account_answers.deposit_options),
    ("POST", "/v3/api/balance/withdraw"): Endpoint(_READ, account_answers.withdrawal_options),
    ("GET", "/v3/api/balance/deposit-history"): Endpoint(_READ, account_answers.deposits),
    ("GET", "/v3/api/balance/withdraw-history"): Endpoint(_READ, account_answers.withdrawals),
    ("POST", "/v3/api/balance/create-withdraw"): Endpoint(
        Access.WITHDRAW, account_answers.create_withdrawal
    ),
}
"""Every endpoint by its method and path."""
