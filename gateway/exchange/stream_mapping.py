"""From the WebSocket's frames and names to the domain's: pure functions."""

from collections.abc import Mapping
from decimal import Decimal

from gateway.domain.market import (
    CandleUpdate,
    OrderBook,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
)
from gateway.domain.money import bounded
from gateway.domain.streams import StreamValue, Topic, TopicKind, Update
from gateway.exchange.mapping import (
    interval_name,
    map_candle,
    map_interval,
    map_order,
    map_order_book,
    map_taker_side,
    map_ticker,
)
from gateway.exchange.stream_wire import (
    BalanceFrame,
    CandlesFrame,
    DataFrame,
    DepthFrame,
    Malformed,
    OrderFrame,
    StreamName,
    TickerFrame,
    TopOfBookFrame,
    TradeFrame,
    Unreadable,
)
from gateway.exchange.wire import Unparsable, parse

_TYPES = {
    TopicKind.ALL_TICKERS: "allTickers",
    TopicKind.TICKER: "ticker",
    TopicKind.CANDLES: "candles",
    TopicKind.TOP_OF_BOOK: "orderBook",
    TopicKind.ORDER_BOOK: "depth",
    TopicKind.TRADES: "trade",
}
_KINDS = {name: kind for kind, name in _TYPES.items()}


def stream_name(topic: Topic) -> StreamName:
    """How the exchange names a public topic; the account's stream has no name there."""
    interval = None if topic.interval is None else interval_name(topic.interval)
    return StreamName(_TYPES[topic.kind], topic.symbol, interval)


def topic_of(name: StreamName) -> Topic | None:
    """The public topic of the exchange's name; None for a name that the document does not give.

    Raise `Unparsable` when a known stream lacks its symbol or interval.
    """
    kind = _KINDS.get(name.type)
    if kind is None:
        return None
    if kind is TopicKind.ALL_TICKERS:
        return Topic(kind)
    if name.symbol is None:
        raise Unparsable
    if kind is not TopicKind.CANDLES:
        return Topic(kind, name.symbol)
    return Topic(kind, name.symbol, map_interval(name.interval or ""))


def topic_of_unreadable(text: str | bytes) -> tuple[Topic | None, str | None]:
    """The topic that a data frame without meaning seems to belong to, and its market's symbol.

    Each is None if the frame does not say so.
    """
    try:
        name = parse(text, StreamName)
        topic = Topic(TopicKind.ACCOUNT) if name.type == "orderUpdate" else topic_of(name)
    except Unparsable:
        return None, None
    return topic, name.symbol


def cancels_all(frame: DataFrame) -> bool:
    """True for CANCELLED_ALL ('User Order Update Messages'): others may be gone too."""
    return isinstance(frame, OrderFrame) and frame.order.status == "CANCELLED_ALL"


def map_frame(frame: DataFrame, time: int, tickers: Mapping[str, Ticker]) -> Update | None:
    """Map a frame that arrived at `time` (ms); None for balances, which nothing reads yet.

    `tickers` holds the last known ticker by symbol: 'ticker' frames may lack changePercent and
    openTime. A candle's closeTime, which on the stream is its last update, becomes its end as in
    REST. Raise `Unreadable` when the frame has no meaning, or its book is crossed.
    """
    if isinstance(frame, BalanceFrame):
        return None
    try:
        topic, value = _meaning(frame, tickers)
    except ValueError:
        raise Unreadable(Malformed.WRONG_SHAPE) from None
    if isinstance(value, TopOfBook | OrderBook) and _crossed(value):
        raise Unreadable(Malformed.CROSSED_BOOK)
    return Update(topic, value, time)


def _meaning(
    frame: TickerFrame | CandlesFrame | TopOfBookFrame | DepthFrame | TradeFrame | OrderFrame,
    tickers: Mapping[str, Ticker],
) -> tuple[Topic, StreamValue]:
    match frame:
        case TickerFrame(symbol=symbol):
            every = frame.type == _TYPES[TopicKind.ALL_TICKERS]
            topic = Topic(TopicKind.ALL_TICKERS) if every else Topic(TopicKind.TICKER, symbol)
            return topic, map_ticker(frame, tickers.get(symbol))
        case CandlesFrame(symbol=symbol):
            interval = map_interval(frame.interval)
            candle = CandleUpdate(symbol, interval, map_candle(frame.kline, interval))
            return Topic(TopicKind.CANDLES, symbol, interval), candle
        case TopOfBookFrame(symbol=symbol):
            return Topic(TopicKind.TOP_OF_BOOK, symbol), _top_of_book(frame)
        case DepthFrame(symbol=symbol):
            return Topic(TopicKind.ORDER_BOOK, symbol), map_order_book(symbol, frame.depth)
        case TradeFrame(symbol=symbol):
            return Topic(TopicKind.TRADES, symbol), _trade(frame)
        case OrderFrame():
            return Topic(TopicKind.ACCOUNT), map_order(frame.order)


def _top_of_book(frame: TopOfBookFrame) -> TopOfBook:
    return TopOfBook(
        frame.symbol,
        bid=_level(frame.bid_price, frame.bid_amount),
        ask=_level(frame.ask_price, frame.ask_amount),
    )


def _level(price: Decimal | None, quantity: Decimal | None) -> PriceLevel | None:
    if not price or quantity is None:
        return None
    return PriceLevel(bounded(price), bounded(quantity))


def _trade(frame: TradeFrame) -> Trade:
    return Trade(
        frame.symbol,
        price=bounded(frame.price),
        quantity=bounded(frame.amount),
        side=map_taker_side(frame.trade_type),
        time=frame.time,
    )


def _crossed(book: TopOfBook | OrderBook) -> bool:
    if isinstance(book, TopOfBook):
        bid, ask = book.bid, book.ask
    else:
        bid, ask = next(iter(book.bids), None), next(iter(book.asks), None)
    return bid is not None and ask is not None and bid.price >= ask.price
