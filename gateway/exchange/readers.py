"""From the body of a successful reply to the domain: a function for each endpoint.

Each raises `ValueError` when the body has no meaning here, `CrossedBook` and `Mismatch` included.
"""

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositOptions,
    Fill,
    Withdrawal,
    WithdrawalOptions,
)
from gateway.domain.market import (
    CandleInterval,
    CandleSeries,
    MarketListing,
    MarketRules,
    OrderBook,
    Ticker,
    TopOfBook,
    TradeHistory,
)
from gateway.domain.orders import Order, OrderStatus, PlaceOrder
from gateway.exchange import account_mapping, account_wire, mapping, order_mapping, wire
from gateway.exchange.wire import Mismatch, parse


def read_nothing(_: bytes) -> None:
    """Take success alone for an answer."""


def read_time(body: bytes) -> int:
    """Read the answer of 'Check Server Time', in ms."""
    return parse(body, wire.TimeReply).data


def read_markets(body: bytes) -> tuple[MarketListing, tuple[Ticker, ...]]:
    """Read 'Get All Markets 24h'."""
    rows = parse(body, wire.MarketsReply).markets
    return mapping.map_listing(rows), tuple(mapping.map_ticker(row) for row in rows)


def read_ticker(body: bytes, symbol: str) -> Ticker:
    """Read 'Get Symbol 24h Statistics' of `symbol`."""
    row = parse(body, wire.TickerReply).market
    _require(row.symbol, symbol)
    return mapping.map_ticker(row)


def read_rules(body: bytes, symbol: str) -> MarketRules:
    """Read 'Get Symbol Detailed Info' of `symbol`."""
    row = parse(body, wire.RulesReply).info
    _require(row.symbol, symbol)
    return mapping.map_rules(row)


def read_candles(body: bytes, symbol: str, interval: CandleInterval) -> CandleSeries:
    """Read 'Get Symbol Candlestick Data'."""
    return mapping.map_candles(symbol, interval, parse(body, wire.CandlesReply).candles)


def read_top_of_book(body: bytes, symbol: str) -> TopOfBook:
    """Read 'Get Symbol Orderbook'."""
    return mapping.map_top_of_book(symbol, parse(body, wire.BookReply).book)


def read_order_book(body: bytes, symbol: str) -> OrderBook:
    """Read 'Get Symbol Order Depth'."""
    return mapping.map_order_book(symbol, parse(body, wire.BookReply).book)


def read_trades(body: bytes, symbol: str) -> TradeHistory:
    """Read 'Get Symbol Trade History'."""
    return mapping.map_trades(symbol, parse(body, wire.TradesReply).trades)


def read_balances(body: bytes) -> tuple[Balance, ...]:
    """Read 'Get User Wallet'."""
    return tuple(map(account_mapping.map_balance, parse(body, account_wire.WalletReply).wallet))


def read_orders(body: bytes) -> tuple[Order, ...]:
    """Read 'Get User Active Orders'."""
    return tuple(map(order_mapping.map_order, parse(body, account_wire.OrdersReply).orders))


def read_fills(body: bytes) -> tuple[Fill, ...]:
    """Read 'Get User Trades'."""
    return order_mapping.map_fills(parse(body, account_wire.FillsReply).trades)


def read_placed(body: bytes, command: PlaceOrder) -> Order:
    """Read the answer to an order; raise `Mismatch` if it speaks of another."""
    order = order_mapping.map_order(parse(body, account_wire.OrderReply).order)
    if not order_mapping.answers(order, command):
        raise Mismatch
    return order


def read_cancelled(body: bytes, order_id: str) -> Order | None:
    """Read 'Cancel An Active Order', whose order may be missing, or lack its id and status.

    Success says which order that is, and that it is cancelled. An order that is unreadable, or
    says anything else, is not shown.
    """
    try:
        if (row := parse(body, account_wire.CancelReply).order) is None:
            return None
        row.order_id = row.order_id or order_id
        row.status = row.status or OrderStatus.CANCELLED
        order = order_mapping.map_order(row)
    except ValueError:
        return None
    told = (order.order_id, order.status)
    return order if told == (order_id, OrderStatus.CANCELLED) else None


def read_currencies(body: bytes) -> tuple[Currency, ...]:
    """Read 'Get All Currencies'."""
    rows = parse(body, account_wire.CurrenciesReply).currencies
    return tuple(map(account_mapping.map_currency, rows))


def read_deposit_options(body: bytes, asset: str) -> DepositOptions:
    """Read 'Get Deposit Addresses' of `asset`."""
    row = parse(body, account_wire.DepositOptionsReply).currency
    _require(row.symbol, asset)
    return account_mapping.map_deposit_options(row)


def read_withdrawal_options(body: bytes, asset: str) -> WithdrawalOptions:
    """Read 'Get Withdraw Addresses' of `asset`."""
    row = parse(body, account_wire.WithdrawalOptionsReply).currency
    _require(row.symbol, asset)
    return account_mapping.map_withdrawal_options(row)


def read_deposits(body: bytes) -> tuple[Deposit, ...]:
    """Read 'Get Last 5 Deposit'."""
    rows = parse(body, account_wire.TransfersReply).history
    return tuple(map(account_mapping.map_deposit, rows))


def read_withdrawals(body: bytes) -> tuple[Withdrawal, ...]:
    """Read 'Get Last 5 Withdraw'."""
    rows = parse(body, account_wire.TransfersReply).history
    return tuple(map(account_mapping.map_withdrawal, rows))


def _require(said: str, asked: str) -> None:
    if said != asked:
        raise Mismatch
