"""The document's stream frames, made of the domain's values. Pure.

Each function gives a whole frame. Numbers and what is left out are as in `replies`.
"""

from decimal import Decimal

from gateway.domain.market import CandleUpdate, OrderBook, Ticker, TopOfBook, Trade
from gateway.domain.orders import Order, OrderType, StopDirection
from gateway.web.facade.numbers import number
from gateway.web.facade.replies import (
    book_members,
    buyers_part,
    candle_prices,
    listed_order,
    status_word,
    ticker_members,
    told,
)
from gateway.web.facade.requests import Body

_NOT_OF_TICKER = ("changePercent", "openTime")
_STOP_NUMBERS = {StopDirection.LESS: 0, StopDirection.GREATER: 1}


def all_tickers(ticker: Ticker) -> Body:
    """'All Tickers 24H Statistics'."""
    return {"type": "allTickers", **ticker_members(ticker)}


def ticker(ticker: Ticker) -> Body:
    """'Market 24H Statistics': without changePercent and openTime, as the document shows it."""
    members = ticker_members(ticker)
    for name in _NOT_OF_TICKER:
        members.pop(name, None)
    return {"type": "ticker", **members}


def candle(update: CandleUpdate) -> Body:
    """'Market Candlestick Updates'; closeTime is the last update, or the end if that is unknown."""
    candle = update.candle
    kline = {
        "openTime": candle.open_time,
        **candle_prices(candle),
        "closeTime": candle.close_time if update.updated_at is None else update.updated_at,
    }
    interval = update.interval.value.lower()
    return {"type": "candles", "symbol": update.symbol, "interval": interval, "kline": kline}


def top_of_book(book: TopOfBook) -> Body:
    """'Market Order Book Updates'; of a side on which nothing rests, both members are null."""
    bid, ask = book.bid, book.ask
    return {
        "type": "orderBook",
        "symbol": book.symbol,
        "bidPrice": None if bid is None else number(bid.price),
        "bidAmount": None if bid is None else number(bid.quantity),
        "askPrice": None if ask is None else number(ask.price),
        "askAmount": None if ask is None else number(ask.quantity),
    }


def order_book(book: OrderBook) -> Body:
    """'Market Depth Updates': the whole book, not a change of it."""
    return {"type": "depth", "symbol": book.symbol, "depth": book_members(book)}


def trade(trade: Trade) -> Body:
    """'Market Trade Updates'."""
    return {
        "type": "trade",
        "symbol": trade.symbol,
        "amount": number(trade.quantity),
        "price": number(trade.price),
        "tradeType": buyers_part(trade),
        "time": trade.time,
    }


def order(order: Order) -> Body:
    """'User Order Update Messages'; `stopType` is 0 for all but stop-limit orders."""
    members = told(status=status_word(order), stopType=_stop_number(order))
    return {"type": "orderUpdate", "order": {**members, **listed_order(order)}}


def _stop_number(order: Order) -> int | None:
    if order.type is not OrderType.STOP_LIMIT:
        return 0
    return None if order.stop_direction is None else _STOP_NUMBERS[order.stop_direction]


def available(asset: str, quantity: Decimal) -> Body:
    """'User Available Balance Update'."""
    return {"type": "balanceUpdate", "symbol": asset, "available": number(quantity)}


def reserved(asset: str, quantity: Decimal) -> Body:
    """'User Reserved Balance Update': what open orders hold."""
    return {"type": "reservedUpdate", "symbol": asset, "reserved": number(quantity)}
