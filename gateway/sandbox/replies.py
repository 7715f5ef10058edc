"""The document's reply bodies, made of the engine's values. Pure.

Prices and quantities are Decimals, to be written as JSON numbers without loss.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from gateway.sandbox.assets import Asset
from gateway.sandbox.book import Book, Level
from gateway.sandbox.codes import Code
from gateway.sandbox.events import Balance, Order, OrderType, Side, Trade
from gateway.sandbox.markets import Market
from gateway.sandbox.tape import Candle, Statistics

Body: TypeAlias = dict[str, Any]

DEPTH_LEVELS = 20
# The sample's REST candle opens 5 ms off its interval, the stream's exactly on it.
REST_CANDLE_OFFSET_MS = 5

_ZERO = Decimal(0)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(body: Body) -> bytes:
    """Write a body as JSON."""
    return _ENCODER.encode(body)


def success(**members: object) -> Body:
    """A reply with code 00000."""
    return {"code": Code.SUCCESS.value, **members}


def plain(value: Decimal) -> Decimal:
    """The same number without zeros at its end; those before the point stay."""
    return value.normalize() + _ZERO


def ticker(market: Market, statistics: Statistics, book: Book) -> Body:
    """The members that "Get Symbol 24h Statistics" and the ticker streams share."""
    change = statistics.last - statistics.open
    bid, ask = book.bids.best(), book.asks.best()
    cent_of_tick = market.tick / 100
    return {
        "symbol": market.symbol,
        "changeAmount": plain(change),
        "changePercent": plain((change / statistics.open * 100).quantize(Decimal("0.0001"))),
        "firstBid": plain(bid.price) if bid else None,
        "firstAsk": plain(ask.price) if ask else None,
        "open": plain(statistics.open),
        "high": plain(statistics.high),
        "low": plain(statistics.low),
        "avg": plain(statistics.average.quantize(cent_of_tick)),
        "last": plain(statistics.last),
        "volume": plain(statistics.quote_volume),
        "volumeQty": plain(statistics.volume),
        "openTime": statistics.open_time,
        "tradeCount": statistics.trade_count,
    }


def market_row(market: Market, statistics: Body) -> Body:
    """A row of "Get All Markets 24h": the market's ticker with its names."""
    return {
        "name": market.name,
        "firstSymbol": market.base,
        "secondSymbol": market.quote,
        **statistics,
    }


def market_rules(market: Market) -> Body:
    """The ``info`` of "Get Symbol Detailed Info"."""
    return {
        "symbol": market.symbol,
        "firstSymbol": market.base,
        "secondSymbol": market.quote,
        "firstSymbolMaxLength": market.quantity_precision,
        "secondSymbolMaxLength": market.price_precision,
        "minTradeTotal": plain(market.min_total),
        "minAmount": plain(market.min_quantity),
        "commission": plain(market.taker_fee_percent),
        "enable": _flag(market.enabled),
        "cancelEnable": _flag(market.cancel_enabled),
        "orderEnable": _flag(market.enabled and market.order_enabled),
        "commissionTaker": plain(market.taker_fee_percent),
        "commissionMaker": plain(market.maker_fee_percent),
        "commissionPercentage": True,
        "commissionTierBased": False,
        "precision": {
            "price": market.price_precision,
            "amount": market.quantity_precision,
            "total": market.total_precision,
        },
    }


def _flag(value: bool) -> str:  # noqa: FBT001  # the one argument is the value itself
    return "true" if value else "false"


def candle_prices(candle: Candle) -> Body:
    """The members that REST and stream candles share."""
    return {
        "open": plain(candle.open),
        "low": plain(candle.low),
        "high": plain(candle.high),
        "close": plain(candle.close),
        "volume": plain(candle.volume),
    }


def rest_open_time(candle: Candle) -> int:
    """The ``openTime`` by which REST shows a candle, and finds it."""
    return candle.open_time + REST_CANDLE_OFFSET_MS


def rest_candle(candle: Candle, interval_ms: int) -> Body:
    """A row of "Get Symbol Candlestick Data"."""
    open_time = rest_open_time(candle)
    return {**candle_prices(candle), "openTime": open_time, "closetime": open_time + interval_ms}


def _level(level: Level) -> Body:
    return {"price": plain(level.price), "amount": plain(level.quantity)}


def top_of_book(book: Book) -> Body:
    """The ``book`` of "Get Symbol Orderbook"."""
    return {
        "bids": [_level(level) for level in book.bids.levels(1)],
        "asks": [_level(level) for level in book.asks.levels(1)],
    }


def depth(book: Book) -> Body:
    """The ``book`` of "Get Symbol Order Depth" and the ``depth`` of its stream."""
    return {
        "bids": [
            {**_level(level), "count": level.orders} for level in book.bids.levels(DEPTH_LEVELS)
        ],
        "asks": [
            {**_level(level), "count": level.orders} for level in book.asks.levels(DEPTH_LEVELS)
        ],
    }


def rest_trade(trade: Trade) -> Body:
    """A row of "Get Symbol Trade History"."""
    return {
        "price": plain(trade.price),
        "amount": plain(trade.quantity),
        "time": trade.time,
        "type": int(trade.buyer_is_taker),
    }


def placed_order(order: Order) -> Body:
    """The ``order`` of the replies to new orders; each type has members of its own.

    Only limit and stop-limit orders tell their id.
    """
    stays = order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return {
        "status": order.status.value,
        **({"orderId": order.order_id} if stays else {}),
        "market": order.symbol,
        "orderType": order.type.text,
        **({"stopType": order.stop_type.name} if order.type is OrderType.STOP_LIMIT else {}),
        "side": order.side.name,
        **_terms(order),
        "time": order.time,
    }


def _terms(order: Order) -> Body:
    quantity = {"amount": plain(order.quantity)}
    filled = {"filledAmount": plain(order.filled)}
    match order.type:
        case OrderType.LIMIT:
            return {"price": plain(order.price), **quantity, **filled}
        case OrderType.STOP_LIMIT:
            return {"target": plain(order.target), "price": plain(order.price), **quantity}
        case OrderType.FAST if order.total:
            return {"total": plain(order.total), "filledTotal": plain(order.filled_total)}
        case OrderType.MARKET | OrderType.FAST:
            return {**quantity, **filled}


def open_order(order: Order) -> Body:
    """A row of "Get User Active Orders"; the stream's order updates share its members."""
    return {
        "market": order.symbol,
        "price": plain(order.price),
        "targetPrice": plain(order.target),
        "amount": plain(order.quantity),
        "filledAmount": plain(order.filled),
        "side": int(order.side),
        "time": order.time,
        "orderType": int(order.type),
        "orderId": order.order_id,
    }


def user_trade(trade: Trade, account_id: str, market: Market) -> Body:
    """A row of "Get User Trades": one account's side of a trade, and the fee that it paid."""
    order = trade.order_of(account_id)
    buys = order.side is Side.BUY
    return {
        "symbol": trade.symbol,
        "price": plain(trade.price),
        "amount": plain(trade.quantity),
        "side": int(order.side),
        "orderType": int(order.type),
        "commission": plain(trade.buyer_fee if buys else trade.seller_fee),
        "commissionSymbol": market.base if buys else market.quote,
        "time": trade.time,
    }


def wallet(balances: Mapping[str, Balance], assets: Mapping[str, Asset]) -> list[Body]:
    """The rows of "Get User Wallet"; ``maxLength`` is the live exchange's addition."""
    return [
        {
            "symbol": asset,
            "total": plain(balance.total),
            "available": plain(balance.available),
            "reserved": plain(balance.held),
            "maxLength": assets[asset].precision,
        }
        for asset, balance in balances.items()
    ]
