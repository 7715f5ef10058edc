"""From the exchange's shapes and names to the domain's: pure functions.

Every decimal is bounded on its way. Each function raises `ValueError` (`Unparsable` or
`NotADecimal`) when what the exchange said has no meaning here: corrupt data is worse than none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from gateway.domain.account import Balance
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleSeries,
    Market,
    MarketListing,
    MarketRules,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.money import bounded
from gateway.domain.orders import Order, OrderStatus, OrderType, StopDirection
from gateway.exchange.wire import (
    BalanceRow,
    BookRow,
    CandleRow,
    LevelRow,
    MarketRow,
    Named,
    OrderRow,
    RulesRow,
    TickerRow,
    TradeRow,
    Unparsable,
)

T = TypeVar("T")

_SIDES = {"0": OrderSide.BUY, "1": OrderSide.SELL, "BUY": OrderSide.BUY, "SELL": OrderSide.SELL}
_TAKER_SIDES = {"0": OrderSide.SELL, "1": OrderSide.BUY}
_ORDER_TYPES = {
    "0": OrderType.LIMIT,
    "1": OrderType.MARKET,
    "2": OrderType.STOP_LIMIT,
    "3": OrderType.FAST,
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP LIMIT": OrderType.STOP_LIMIT,
    "FAST": OrderType.FAST,
}
_STOP_DIRECTIONS = {
    "0": StopDirection.LESS,
    "1": StopDirection.GREATER,
    "LESS": StopDirection.LESS,
    "GREATER": StopDirection.GREATER,
}
_STATUSES = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "CANCELLED_ALL": OrderStatus.CANCELLED,
}
_INTERVALS = {interval.value.lower(): interval for interval in CandleInterval}


def interval_name(interval: CandleInterval) -> str:
    """How the exchange writes an interval ('Get Symbol Candlestick Data'): "m1" to "d1"."""
    return interval.value.lower()


def map_interval(name: str) -> CandleInterval:
    """Read the exchange's name of an interval."""
    return _meaning(_INTERVALS, name)


def map_listing(rows: Iterable[MarketRow]) -> MarketListing:
    """List all markets in the exchange's order."""
    return MarketListing(
        tuple(Market(row.symbol, row.name, row.first_symbol, row.second_symbol) for row in rows)
    )


def map_ticker(row: TickerRow, previous: Ticker | None = None) -> Ticker:
    """Map a ticker of REST or stream; what 'ticker' frames leave out stays as `previous` had it.

    `volume` is in the quote asset only where `volumeQty`, the base quantity, stands beside it.
    """
    base, quote = (row.volume, None) if row.volume_qty is None else (row.volume_qty, row.volume)
    change_percent, open_time = _money(row.change_percent), row.open_time
    if previous is not None:
        change_percent = previous.change_percent if change_percent is None else change_percent
        open_time = previous.open_time if open_time is None else open_time
    return Ticker(
        symbol=row.symbol,
        last=bounded(row.last),
        bid=_money(row.first_bid),
        ask=_money(row.first_ask),
        open=_money(row.open),
        high=_money(row.high),
        low=_money(row.low),
        average=_money(row.avg),
        change=_money(row.change_amount),
        change_percent=change_percent,
        base_volume=_money(base),
        quote_volume=_money(quote),
        trade_count=row.trade_count,
        open_time=open_time,
    )


def map_rules(row: RulesRow) -> MarketRules:
    """Map a market's rules; fees are in percent."""
    maker, taker = row.commission_maker, row.commission_taker
    return MarketRules(
        symbol=row.symbol,
        price_precision=row.precision.price,
        quantity_precision=row.precision.amount,
        total_precision=row.precision.total,
        min_total=bounded(row.min_trade_total),
        min_quantity=bounded(row.min_amount),
        maker_fee_percent=bounded(row.commission if maker is None else maker),
        taker_fee_percent=bounded(row.commission if taker is None else taker),
        enabled=row.enable,
        order_enabled=row.order_enable,
        cancel_enabled=row.cancel_enable,
    )


def map_candle(row: CandleRow, interval: CandleInterval) -> Candle:
    """Put a candle on the interval's grid; `openTime` may lie some ms off it."""
    open_time = interval.floor(row.open_time)
    return Candle(
        open_time=open_time,
        close_time=open_time + interval.milliseconds,
        open=bounded(row.open),
        high=bounded(row.high),
        low=bounded(row.low),
        close=bounded(row.close),
        volume=bounded(row.volume),
    )


def map_candles(symbol: str, interval: CandleInterval, rows: Iterable[CandleRow]) -> CandleSeries:
    """Order candles from the oldest to the newest; of two on one place the later row counts."""
    candles = {candle.open_time: candle for candle in (map_candle(row, interval) for row in rows)}
    return CandleSeries(symbol, interval, tuple(candles[time] for time in sorted(candles)))


def map_level(row: LevelRow) -> PriceLevel:
    """Map one price of a book."""
    return PriceLevel(bounded(row.price), bounded(row.amount), row.count)


def map_order_book(symbol: str, row: BookRow) -> OrderBook:
    """Map a whole book, the best prices first."""
    bids = sorted(map(map_level, row.bids), key=lambda level: level.price, reverse=True)
    asks = sorted(map(map_level, row.asks), key=lambda level: level.price)
    return OrderBook(symbol, tuple(bids), tuple(asks))


def map_top_of_book(symbol: str, row: BookRow) -> TopOfBook:
    """Map the best bid and ask; a side may be empty."""
    book = map_order_book(symbol, row)
    return TopOfBook(symbol, next(iter(book.bids), None), next(iter(book.asks), None))


def map_taker_side(trade_type: Named) -> OrderSide:
    """Tell who took: 0, the buyer was the maker, so a sell took; 1, a buy took."""
    return _meaning(_TAKER_SIDES, trade_type)


def map_trades(symbol: str, rows: Iterable[TradeRow]) -> TradeHistory:
    """Order public trades from the newest to the oldest."""
    trades = (
        Trade(symbol, bounded(row.price), bounded(row.amount), map_taker_side(row.type), row.time)
        for row in rows
    )
    return TradeHistory(symbol, tuple(sorted(trades, key=lambda trade: -trade.time)))


def map_balance(row: BalanceRow) -> Balance:
    """Map one asset of the wallet; the exchange's 'reserved' is what open orders hold."""
    return Balance(
        asset=row.symbol,
        total=bounded(row.total),
        available=bounded(row.available),
        held=bounded(row.reserved),
        precision=row.max_length,
    )


def map_order(row: OrderRow) -> Order:
    """Map an order of any reply or stream frame; a list of open orders gives no status.

    A price or target of 0 stands for none.
    """
    filled = _money(row.filled_amount)
    target = row.target_price if row.target is None else row.target
    order = Order(
        order_id=row.order_id,
        symbol=row.market,
        side=_meaning(_SIDES, row.side),
        type=_meaning(_ORDER_TYPES, row.order_type),
        status=_open_status(filled) if row.status is None else _meaning(_STATUSES, row.status),
        time=row.time,
        price=_money(row.price) or None,
        quantity=_money(row.amount),
        quote_total=_money(row.total),
        filled_quantity=filled,
        filled_total=_money(row.filled_total),
    )
    if order.type is not OrderType.STOP_LIMIT:
        return order
    direction = None if row.stop_type is None else _meaning(_STOP_DIRECTIONS, row.stop_type)
    return replace(order, stop_price=_money(target) or None, stop_direction=direction)


def _open_status(filled: Decimal | None) -> OrderStatus:
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW


def _money(value: Decimal | None) -> Decimal | None:
    return None if value is None else bounded(value)


def _meaning(names: Mapping[str, T], name: Named) -> T:
    try:
        return names[str(name)]
    except KeyError:
        raise Unparsable from None
