"""What the description calls required is what a reply always has: also one that tells least."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositChannel,
    DepositOptions,
    Fill,
    TransferState,
    Withdrawal,
    WithdrawalAddress,
    WithdrawalChannel,
    WithdrawalOptions,
)
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleSeries,
    Market,
    MarketRules,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.orders import Order, OrderStatus, OrderType
from gateway.web.facade import replies, transfer_replies
from gateway.web.facade.openapi import document
from gateway.web.facade.requests import Body

ONE = Decimal(1)
MARKET = Market("BTCTRY", "Bitcoin", "BTC", "TRY")
TICKER = Ticker("BTCTRY", ONE)
RULES = MarketRules("BTCTRY", 0, 6, 0, ONE, ONE, ONE, ONE, True, True, True)  # noqa: FBT003 - in the domain's order
CANDLE = Candle(0, 60_000, ONE, ONE, ONE, ONE, ONE)
LEVEL = PriceLevel(ONE, ONE)
BUY = OrderSide.BUY
TRADE = Trade("BTCTRY", ONE, ONE, BUY, 0)
FILL = Fill("BTCTRY", ONE, ONE, BUY, OrderType.LIMIT, ONE, "BTC", 0)
DEPOSIT = Deposit("1", "BTC", ONE, 0, TransferState.PENDING, 11, None, None, None, None)
WITHDRAWAL = Withdrawal("1", "BTC", ONE, 0, TransferState.PENDING, 11, None, None)
DEPOSIT_CHANNEL = DepositChannel("BTC", None, enabled=True)
WITHDRAWAL_CHANNEL = WithdrawalChannel(
    "BTC", enabled=True, fee=ONE, addresses=(WithdrawalAddress("1", "home", "bc1"),)
)


def order(kind: OrderType) -> Order:
    return Order(None, "BTCTRY", BUY, kind, OrderStatus.CLOSED_UNKNOWN, 0)


PLACED = {
    f"POST market/{name}-{side}": replies.placed_order(order(kind))
    for name, kind in (
        ("limit", OrderType.LIMIT),
        ("market", OrderType.MARKET),
        ("stop-limit", OrderType.STOP_LIMIT),
        ("fast", OrderType.FAST),
    )
    for side in ("buy", "sell")
}
LEAST: dict[str, Body] = {
    "GET market/markets": replies.markets([(MARKET, TICKER)]),
    "GET market/24h": replies.statistics(TICKER),
    "GET market/info": replies.rules(RULES, MARKET),
    "GET market/candles": replies.candles(CandleSeries("BTCTRY", CandleInterval.M1, (CANDLE,))),
    "GET market/orderbook": replies.top_of_book(TopOfBook("BTCTRY", LEVEL, LEVEL)),
    "GET market/depth": replies.depth(OrderBook("BTCTRY", (LEVEL,), (LEVEL,))),
    "GET market/trades": replies.trades(TradeHistory("BTCTRY", (TRADE,))),
    **PLACED,
    "POST market/cancel-order": replies.placed_order(order(OrderType.STOP_LIMIT)),
    "GET market/user-orders": replies.open_orders([order(OrderType.LIMIT)]),
    "GET market/user-trades": replies.user_trades([FILL]),
    "GET balance/wallet": transfer_replies.wallet([Balance("TRY", ONE, ONE, ONE)]),
    "GET balance/currencies": transfer_replies.currencies([Currency("1", "BTC", "Bitcoin")]),
    "POST balance/deposit": transfer_replies.deposit_options(
        DepositOptions("BTC", "Bitcoin", True, ONE, None, (DEPOSIT_CHANNEL,))  # noqa: FBT003 - in the domain's order
    ),
    "POST balance/withdraw": transfer_replies.withdrawal_options(
        WithdrawalOptions("BTC", "Bitcoin", True, ONE, None, (WITHDRAWAL_CHANNEL,))  # noqa: FBT003 - in the domain's order
    ),
    "GET balance/deposit-history": transfer_replies.deposits([DEPOSIT]),
    "GET balance/withdraw-history": transfer_replies.withdrawals([WITHDRAWAL]),
}
"""Replies of which the exchange told no more than it must, by endpoint."""

WITHOUT_MEMBERS: dict[str, Body] = {
    "GET ping": {"data": "PONG"},
    "GET time": {"data": 0},
    "POST balance/wallet": {},
    "POST balance/create-withdraw": {},
}
PATHS = document()["paths"]


def required(route: str) -> dict[str, Any]:
    """The schema of an endpoint's reply."""
    method, path = route.split()
    reply = PATHS[f"/v3/api/{path}"][method.lower()]["responses"]["200"]
    success: dict[str, Any] = reply["content"]["application/json"]["schema"]["oneOf"][0]
    return success


def check(schema: Mapping[str, Any], told: object, *, at_the_top: bool = False) -> None:
    """Hold that an object has what its schema requires, and no more."""
    match told:
        case dict():
            optional = {"order"} if at_the_top else set()
            assert told.keys() - optional == set(schema["required"]) - {"code"}
            for name, member in told.items():
                check(schema["properties"][name], member)
        case list():
            assert told
            for member in told:
                check(schema["items"], member)


def test_every_endpoint_is_looked_at() -> None:
    there = {
        f"{method.upper()} {path.removeprefix('/v3/api/')}"
        for path in PATHS
        for method in PATHS[path]
    }
    assert there == LEAST.keys() | WITHOUT_MEMBERS.keys()


@pytest.mark.parametrize("route", LEAST | WITHOUT_MEMBERS)
def test_a_reply_that_tells_least_has_what_is_required_and_no_more(route: str) -> None:
    check(required(route), (LEAST | WITHOUT_MEMBERS)[route], at_the_top=True)
