"""The document's stream frames, made of the engine's values. Pure."""

import hashlib

from gateway.sandbox.book import Book
from gateway.sandbox.config import StreamOrderIds
from gateway.sandbox.events import BalanceChanged, Order, Trade
from gateway.sandbox.replies import Body, candle_prices, depth, open_order, plain
from gateway.sandbox.tape import Candle


def all_tickers(statistics: Body) -> Body:
    """A frame of "All Tickers 24H Statistics"."""
    return {"type": "allTickers", **statistics}


def ticker(statistics: Body) -> Body:
    """A frame of "Market 24H Statistics": as its sample, without changePercent and openTime."""
    members = {
        name: value
        for name, value in statistics.items()
        if name not in ("changePercent", "openTime")
    }
    return {"type": "ticker", **members}


def candle(symbol: str, interval: str, current: Candle) -> Body:
    """A frame of "Market Candlestick Updates"; closeTime is its last update."""
    kline = {
        "openTime": current.open_time,
        **candle_prices(current),
        "closeTime": current.last_time,
    }
    return {"type": "candles", "symbol": symbol, "interval": interval, "kline": kline}


def top_of_book(symbol: str, book: Book) -> Body:
    """A frame of "Market Order Book Updates"; an empty side is null."""
    bid, ask = book.bids.best(), book.asks.best()
    return {
        "type": "orderBook",
        "symbol": symbol,
        "bidPrice": plain(bid.price) if bid else None,
        "bidAmount": plain(bid.quantity) if bid else None,
        "askPrice": plain(ask.price) if ask else None,
        "askAmount": plain(ask.quantity) if ask else None,
    }


def order_book(symbol: str, book: Book) -> Body:
    """A frame of "Market Depth Updates": the whole book, not a difference."""
    return {"type": "depth", "symbol": symbol, "depth": depth(book)}


def trade(event: Trade) -> Body:
    """A frame of "Market Trade Updates"."""
    return {
        "type": "trade",
        "symbol": event.symbol,
        "amount": plain(event.quantity),
        "price": plain(event.price),
        "tradeType": int(event.buyer_is_taker),
        "time": event.time,
    }


def order(event: Order, ids: StreamOrderIds = StreamOrderIds.SAME) -> Body:
    """A frame of "User Order Update Messages"."""
    row = {"status": event.status.value, **open_order(event), "stopType": int(event.stop_type)}
    if ids is StreamOrderIds.OTHER:
        row["orderId"] = hashlib.sha256(event.order_id.encode()).hexdigest()
    return {"type": "orderUpdate", "order": row}


def balance(event: BalanceChanged) -> list[Body]:
    """Frames of "User Available Balance Update" and "User Reserved Balance Update", as needed."""
    bodies: list[Body] = []
    if event.before.available != event.after.available:
        available = plain(event.after.available)
        bodies.append({"type": "balanceUpdate", "symbol": event.asset, "available": available})
    if event.before.held != event.after.held:
        held = plain(event.after.held)
        bodies.append({"type": "reservedUpdate", "symbol": event.asset, "reserved": held})
    return bodies
