"""From the exchange's shapes and names of market data to the domain's: pure functions.

Every decimal is bounded on its way, and has a sign that makes sense. Each function raises
`ValueError` (`Unparsable` or `NotADecimal`) when what the exchange said has no meaning here:
corrupt data is worse than none.
"""

from collections.abc import Iterable

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
from gateway.exchange.values import if_given, meaning, not_negative, positive, unless_zero
from gateway.exchange.wire import (
    BookRow,
    CandleRow,
    CrossedBook,
    LevelRow,
    MarketRow,
    Named,
    RulesRow,
    TickerRow,
    TradeRow,
    Unparsable,
)

_TAKER_SIDES = {"0": OrderSide.SELL, "1": OrderSide.BUY}
_INTERVALS = {interval.value.lower(): interval for interval in CandleInterval}


def interval_name(interval: CandleInterval) -> str:
    """How the exchange writes an interval ('Get Symbol Candlestick Data'): "m1" to "d1"."""
    return interval.value.lower()


def map_interval(name: str) -> CandleInterval:
    """Read the exchange's name of an interval."""
    return meaning(_INTERVALS, name)


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
    change_percent, open_time = if_given(bounded, row.change_percent), row.open_time
    if previous is not None:
        change_percent = previous.change_percent if change_percent is None else change_percent
        open_time = previous.open_time if open_time is None else open_time
    return Ticker(
        symbol=row.symbol,
        last=not_negative(row.last),
        bid=unless_zero(row.first_bid),
        ask=unless_zero(row.first_ask),
        open=if_given(not_negative, row.open),
        high=if_given(not_negative, row.high),
        low=if_given(not_negative, row.low),
        average=if_given(not_negative, row.avg),
        change=if_given(bounded, row.change_amount),
        change_percent=change_percent,
        base_volume=if_given(not_negative, base),
        quote_volume=if_given(not_negative, quote),
        trade_count=row.trade_count,
        open_time=open_time,
    )


def map_rules(row: RulesRow) -> MarketRules:
    """Map a market's rules; fees are in percent, and below 0 where the exchange pays them."""
    maker, taker = row.commission_maker, row.commission_taker
    return MarketRules(
        symbol=row.symbol,
        price_precision=row.precision.price,
        quantity_precision=row.precision.amount,
        total_precision=row.precision.total,
        min_total=not_negative(row.min_trade_total),
        min_quantity=not_negative(row.min_amount),
        maker_fee_percent=bounded(row.commission if maker is None else maker),
        taker_fee_percent=bounded(row.commission if taker is None else taker),
        enabled=row.enable,
        order_enabled=row.order_enable,
        cancel_enabled=row.cancel_enable,
        base_precision=row.first_symbol_max_length,
        quote_precision=row.second_symbol_max_length,
        fee_percent=bounded(row.commission),
        fees_in_percent=row.commission_percentage,
        fees_by_tier=row.commission_tier_based,
    )


def map_candle(row: CandleRow, interval: CandleInterval) -> Candle:
    """Put a candle on the interval's grid; `openTime` may lie some ms off it.

    A candle whose high or low is not its highest or lowest price has no meaning.
    """
    open_time = interval.floor(row.open_time)
    prices = [positive(price) for price in (row.low, row.open, row.close, row.high)]
    if row.low != min(prices) or row.high != max(prices):
        raise Unparsable
    return Candle(
        open_time=open_time,
        close_time=open_time + interval.milliseconds,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=not_negative(row.volume),
    )


def map_candles(symbol: str, interval: CandleInterval, rows: Iterable[CandleRow]) -> CandleSeries:
    """Order candles from the oldest to the newest; of two on one place the later row counts."""
    candles = {candle.open_time: candle for candle in (map_candle(row, interval) for row in rows)}
    return CandleSeries(symbol, interval, tuple(candles[time] for time in sorted(candles)))


def map_level(row: LevelRow) -> PriceLevel:
    """Map one price of a book."""
    return PriceLevel(positive(row.price), positive(row.amount), row.count)


def map_order_book(symbol: str, row: BookRow) -> OrderBook:
    """Map a whole book, the best prices first; raise `CrossedBook` if it is crossed.

    A price stands once on its side: of two levels there nobody knows whether one is old.
    """
    bids = sorted(map(map_level, row.bids), key=lambda level: level.price, reverse=True)
    asks = sorted(map(map_level, row.asks), key=lambda level: level.price)
    refuse_crossed(next(iter(bids), None), next(iter(asks), None))
    if any(len({level.price for level in side}) < len(side) for side in (bids, asks)):
        raise Unparsable
    return OrderBook(symbol, tuple(bids), tuple(asks))


def refuse_crossed(bid: PriceLevel | None, ask: PriceLevel | None) -> None:
    """Raise `CrossedBook` if the best bid is no lower than the best ask."""
    if bid is not None and ask is not None and bid.price >= ask.price:
        raise CrossedBook


def map_top_of_book(symbol: str, row: BookRow) -> TopOfBook:
    """Map the best bid and ask; a side may be empty."""
    book = map_order_book(symbol, row)
    return TopOfBook(symbol, next(iter(book.bids), None), next(iter(book.asks), None))


def map_taker_side(trade_type: Named) -> OrderSide:
    """Tell who took: 0, the buyer was the maker, so a sell took; 1, a buy took."""
    return meaning(_TAKER_SIDES, trade_type)


def map_trades(symbol: str, rows: Iterable[TradeRow]) -> TradeHistory:
    """Order public trades from the newest to the oldest."""
    trades = (
        Trade(symbol, positive(row.price), positive(row.amount), map_taker_side(row.type), row.time)
        for row in rows
    )
    return TradeHistory(symbol, tuple(sorted(trades, key=lambda trade: -trade.time)))
