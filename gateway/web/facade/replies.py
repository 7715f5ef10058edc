"""The document's replies on markets, orders and fills, made of the domain's values. Pure.

Each function gives the members beside `code`. Of what the exchange may say or not, what it did not
say is left out: nothing is made up. Numbers are written as `numbers` says, times are in ms.
"""

from collections.abc import Iterable

from gateway.domain.account import Fill
from gateway.domain.market import (
    Candle,
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
from gateway.web.facade.numbers import number, number_if_known
from gateway.web.facade.requests import Body

BUYER_IS_MAKER, BUYER_IS_TAKER = 0, 1

_SIDE_NUMBERS = {OrderSide.BUY: 0, OrderSide.SELL: 1}
_TYPE_NUMBERS = {
    OrderType.LIMIT: 0,
    OrderType.MARKET: 1,
    OrderType.STOP_LIMIT: 2,
    OrderType.FAST: 3,
}
_TYPE_WORDS = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_LIMIT: "STOP LIMIT",
    OrderType.FAST: "FAST",
}
_SWITCH = {True: "true", False: "false"}
_WITH_AN_ID = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})


def markets(rows: Iterable[tuple[Market, Ticker]]) -> Body:
    """'Get All Markets 24h'."""
    return {"markets": [_market(*row) for row in rows]}


def _market(market: Market, ticker: Ticker) -> Body:
    return {
        "symbol": market.symbol,
        "name": market.name,
        "firstSymbol": market.base_asset,
        "secondSymbol": market.quote_asset,
        **ticker_members(ticker),
    }


def statistics(ticker: Ticker) -> Body:
    """'Get Symbol 24h Statistics'."""
    return {"market": ticker_members(ticker)}


def ticker_members(ticker: Ticker) -> Body:
    """What the replies and the frames on a market's last 24 hours share; no bid or ask is null.

    `volume` is in the quote asset where `volumeQty`, the base quantity, stands beside it. Alone it
    is the base quantity.
    """
    change = told(
        changeAmount=number_if_known(ticker.change),
        changePercent=number_if_known(ticker.change_percent),
    )
    best = {"firstBid": number_if_known(ticker.bid), "firstAsk": number_if_known(ticker.ask)}
    last_day = told(
        open=number_if_known(ticker.open),
        high=number_if_known(ticker.high),
        low=number_if_known(ticker.low),
        avg=number_if_known(ticker.average),
        last=number(ticker.last),
        **_volumes(ticker),
        openTime=ticker.open_time,
        tradeCount=ticker.trade_count,
    )
    return {"symbol": ticker.symbol, **change, **best, **last_day}


def _volumes(ticker: Ticker) -> Body:
    base, quote = number_if_known(ticker.base_volume), number_if_known(ticker.quote_volume)
    return {"volume": base} if quote is None else {"volume": quote, "volumeQty": base}


def rules(rules: MarketRules, market: Market) -> Body:
    """'Get Symbol Detailed Info'; the switches are the strings "true" and "false"."""
    members = told(
        symbol=rules.symbol,
        firstSymbol=market.base_asset,
        secondSymbol=market.quote_asset,
        firstSymbolMaxLength=rules.base_precision,
        secondSymbolMaxLength=rules.quote_precision,
        minTradeTotal=number(rules.min_total),
        minAmount=number(rules.min_quantity),
        commission=number_if_known(rules.fee_percent),
        enable=_SWITCH[rules.enabled],
        cancelEnable=_SWITCH[rules.cancel_enabled],
        orderEnable=_SWITCH[rules.order_enabled],
        commissionTaker=number(rules.taker_fee_percent),
        commissionMaker=number(rules.maker_fee_percent),
        commissionPercentage=rules.fees_in_percent,
        commissionTierBased=rules.fees_by_tier,
    )
    precision = {
        "price": rules.price_precision,
        "amount": rules.quantity_precision,
        "total": rules.total_precision,
    }
    return {"info": {**members, "precision": precision}}


def candles(series: CandleSeries) -> Body:
    """'Get Symbol Candlestick Data', oldest first."""
    return {"candles": [_candle(candle) for candle in series.candles]}


def _candle(candle: Candle) -> Body:
    return {
        **candle_prices(candle),
        "openTime": candle.open_time,
        "closetime": candle.close_time,
    }


def candle_prices(candle: Candle) -> Body:
    """What candles of replies and frames share; volume in the base asset."""
    return {
        "open": number(candle.open),
        "low": number(candle.low),
        "high": number(candle.high),
        "close": number(candle.close),
        "volume": number(candle.volume),
    }


def top_of_book(book: TopOfBook) -> Body:
    """'Get Symbol Orderbook': each side is a list, empty where nothing rests."""
    return {"book": {"bids": _best(book.bid), "asks": _best(book.ask)}}


def _best(level: PriceLevel | None) -> list[Body]:
    return [] if level is None else [_price_and_quantity(level)]


def depth(book: OrderBook) -> Body:
    """'Get Symbol Order Depth', the best prices first."""
    return {"book": book_members(book)}


def book_members(book: OrderBook) -> Body:
    """Both sides of a whole book, as replies and frames have it."""
    return {
        "bids": [_level(level) for level in book.bids],
        "asks": [_level(level) for level in book.asks],
    }


def _level(level: PriceLevel) -> Body:
    return {**_price_and_quantity(level), **told(count=level.orders)}


def _price_and_quantity(level: PriceLevel) -> Body:
    return {"price": number(level.price), "amount": number(level.quantity)}


def trades(history: TradeHistory) -> Body:
    """'Get Symbol Trade History', newest first."""
    return {"trades": [_trade(trade) for trade in history.trades]}


def _trade(trade: Trade) -> Body:
    return {
        "price": number(trade.price),
        "amount": number(trade.quantity),
        "time": trade.time,
        "type": buyers_part(trade),
    }


def buyers_part(trade: Trade) -> int:
    """0 when the buyer was the maker, and so a sell took; else 1."""
    return BUYER_IS_TAKER if trade.side is OrderSide.BUY else BUYER_IS_MAKER


def placed_order(order: Order) -> Body:
    """'New Limit Buy Order' and its kin; each type has members of its own.

    Only orders that may rest in the book tell their id. The exchange has no word for
    CLOSED_UNKNOWN: such an order comes without a status.
    """
    return {"order": {**_described(order), **_terms(order), "time": order.time}}


def _described(order: Order) -> Body:
    return told(
        status=status_word(order),
        orderId=order.order_id if order.type in _WITH_AN_ID else None,
        market=order.symbol,
        orderType=_TYPE_WORDS[order.type],
        stopType=order.stop_direction,
        side=order.side,
    )


def status_word(order: Order) -> str | None:
    """The exchange's word for where an order stands; None: it has none for CLOSED_UNKNOWN."""
    if order.mass_cancelled:
        return "CANCELLED_ALL"
    return None if order.status is OrderStatus.CLOSED_UNKNOWN else order.status.value


def _terms(order: Order) -> Body:
    """The members that the document shows of each type of order."""
    quantity = {"amount": number_if_known(order.quantity)}
    filled = {"filledAmount": number_if_known(order.filled_quantity)}
    price = {"price": number_if_known(order.price)}
    match order.type:
        case OrderType.LIMIT:
            return told(**price, **quantity, **filled)
        case OrderType.STOP_LIMIT:
            return told(target=number_if_known(order.stop_price), **price, **quantity)
        case OrderType.FAST if order.quote_total is not None:
            spent = number_if_known(order.filled_total)
            return told(total=number(order.quote_total), filledTotal=spent)
        case OrderType.MARKET | OrderType.FAST:
            return told(**quantity, **filled)


def open_orders(orders: Iterable[Order]) -> Body:
    """'Get User Active Orders'."""
    return {"orders": [listed_order(order) for order in orders]}


def listed_order(order: Order) -> Body:
    """What the list of open orders and the stream's frames share; 0 stands for no such price."""
    return {
        "market": order.symbol,
        "price": number_if_known(order.price) or 0,
        "targetPrice": number_if_known(order.stop_price) or 0,
        "amount": number_if_known(order.quantity) or 0,
        "side": _SIDE_NUMBERS[order.side],
        "time": order.time,
        "orderType": _TYPE_NUMBERS[order.type],
        **told(filledAmount=number_if_known(order.filled_quantity), orderId=order.order_id),
    }


def user_trades(fills: Iterable[Fill]) -> Body:
    """'Get User Trades', newest first."""
    return {"trades": [_fill(fill) for fill in fills]}


def _fill(fill: Fill) -> Body:
    return {
        "symbol": fill.symbol,
        "price": number(fill.price),
        "amount": number(fill.quantity),
        "side": _SIDE_NUMBERS[fill.side],
        "orderType": _TYPE_NUMBERS[fill.type],
        "commission": number(fill.fee),
        "commissionSymbol": fill.fee_asset,
        "time": fill.time,
    }


def told(**members: object) -> Body:
    """The members of which the exchange said something."""
    return {name: member for name, member in members.items() if member is not None}
