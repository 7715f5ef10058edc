"""From the WebSocket's frames and names to the domain's: pure functions."""

from collections.abc import Mapping
from decimal import Decimal

from gateway.domain.account import BalanceChange
from gateway.domain.market import (
    CandleUpdate,
    OrderBook,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
)
from gateway.domain.money import bounded
from gateway.domain.orders import Order
from gateway.domain.streams import StreamValue, Topic, TopicKind, Update
from gateway.exchange.mapping import (
    interval_name,
    map_candle,
    map_interval,
    map_order_book,
    map_taker_side,
    map_ticker,
    refuse_crossed,
)
from gateway.exchange.order_mapping import CANCELLED_ALL, map_order
from gateway.exchange.stream_wire import (
    AvailableFrame,
    CandlesFrame,
    DataFrame,
    DepthFrame,
    Malformed,
    OrderFrame,
    ReservedFrame,
    SeemingFrame,
    StreamName,
    TickerFrame,
    TopOfBookFrame,
    TradeFrame,
    Unreadable,
)
from gateway.exchange.values import not_negative, positive, unless_zero
from gateway.exchange.wire import CrossedBook, Unparsable, parse, require_unique_names

_TYPES = {
    TopicKind.ALL_TICKERS: "allTickers",
    TopicKind.TICKER: "ticker",
    TopicKind.CANDLES: "candles",
    TopicKind.TOP_OF_BOOK: "orderBook",
    TopicKind.ORDER_BOOK: "depth",
    TopicKind.TRADES: "trade",
}
_KINDS = {name: kind for kind, name in _TYPES.items()}
_OF_AN_ACCOUNT = frozenset({"orderUpdate", "balanceUpdate", "reservedUpdate"})


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
    """The topic that a frame without meaning told something of, and its market's symbol if any.

    The topic is None for what is no data of the document: an acknowledgement, a kind that it does
    not give, an object without a kind, such as a heartbeat. Raise `Unparsable` when the frame may
    be of any topic.
    """
    require_unique_names(text)
    frame = parse(text, SeemingFrame)
    if frame.method is not None or frame.type is None:
        return None, None
    if frame.type in _OF_AN_ACCOUNT:
        return Topic(TopicKind.ACCOUNT), frame.symbol
    return topic_of(StreamName(frame.type, frame.symbol, frame.interval)), frame.symbol


def cancels_all(frame: DataFrame) -> bool:
    """True for CANCELLED_ALL ('User Order Update Messages'): others may be gone too."""
    return isinstance(frame, OrderFrame) and frame.order.status == CANCELLED_ALL


def map_frame(frame: DataFrame, time: int, tickers: Mapping[str, Ticker]) -> Update:
    """Map a frame that arrived at `time` (ms).

    `tickers` holds the last known ticker by symbol: 'ticker' frames may lack changePercent and
    openTime. A candle's closeTime is its last update on the stream; it closes at its end, as in
    REST. Raise `Unreadable` when the frame has no meaning, or its book is crossed or empty: REST
    is asked before a market without a single order is believed in.
    """
    try:
        topic, value = _meaning(frame, tickers)
    except CrossedBook:
        raise Unreadable(Malformed.CROSSED_BOOK) from None
    except ValueError:
        raise Unreadable(Malformed.WRONG_SHAPE) from None
    if isinstance(value, TopOfBook | OrderBook) and _empty(value):
        raise Unreadable(Malformed.EMPTY_BOOK)
    return Update(topic, value, time)


def _meaning(frame: DataFrame, tickers: Mapping[str, Ticker]) -> tuple[Topic, StreamValue]:
    match frame:
        case TickerFrame(symbol=symbol):
            every = frame.type == _TYPES[TopicKind.ALL_TICKERS]
            topic = Topic(TopicKind.ALL_TICKERS) if every else Topic(TopicKind.TICKER, symbol)
            return topic, map_ticker(frame, tickers.get(symbol))
        case CandlesFrame(symbol=symbol):
            interval = map_interval(frame.interval)
            candle = map_candle(frame.kline, interval)
            update = CandleUpdate(symbol, interval, candle, frame.kline.close_time)
            return Topic(TopicKind.CANDLES, symbol, interval), update
        case TopOfBookFrame(symbol=symbol):
            return Topic(TopicKind.TOP_OF_BOOK, symbol), _top_of_book(frame)
        case DepthFrame(symbol=symbol):
            return Topic(TopicKind.ORDER_BOOK, symbol), map_order_book(symbol, frame.depth)
        case TradeFrame(symbol=symbol):
            return Topic(TopicKind.TRADES, symbol), _trade(frame)
        case OrderFrame() | AvailableFrame() | ReservedFrame():
            return Topic(TopicKind.ACCOUNT), _of_account(frame)


def _of_account(frame: OrderFrame | AvailableFrame | ReservedFrame) -> Order | BalanceChange:
    match frame:
        case OrderFrame():
            return map_order(frame.order)
        case AvailableFrame():
            return BalanceChange(frame.symbol, available=bounded(frame.available))
        case ReservedFrame():
            return BalanceChange(frame.symbol, held=not_negative(frame.reserved))


def _top_of_book(frame: TopOfBookFrame) -> TopOfBook:
    bid = _level(frame.bid_price, frame.bid_amount)
    ask = _level(frame.ask_price, frame.ask_amount)
    refuse_crossed(bid, ask)
    return TopOfBook(frame.symbol, bid, ask)


def _level(price: Decimal | None, quantity: Decimal | None) -> PriceLevel | None:
    if (given := unless_zero(price)) is None:
        return None
    if quantity is None:
        raise Unparsable
    return PriceLevel(given, positive(quantity))


def _trade(frame: TradeFrame) -> Trade:
    return Trade(
        frame.symbol,
        price=positive(frame.price),
        quantity=positive(frame.amount),
        side=map_taker_side(frame.trade_type),
        time=frame.time,
    )


def _empty(book: TopOfBook | OrderBook) -> bool:
    if isinstance(book, TopOfBook):
        return book.bid is None and book.ask is None
    return not (book.bids or book.asks)
