"""From the document's example frames to the domain."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.domain.account import BalanceChange
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleUpdate,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
)
from gateway.domain.orders import Order, OrderStatus, OrderType
from gateway.domain.streams import StreamValue, Topic, TopicKind, Update
from gateway.exchange.stream_mapping import (
    cancels_all,
    map_frame,
    stream_name,
    topic_of,
    topic_of_unreadable,
)
from gateway.exchange.stream_wire import (
    Acknowledgement,
    DataFrame,
    Malformed,
    StreamName,
    Unreadable,
    decode_frame,
)
from gateway.exchange.wire import Unparsable

NOW = 1588010323999
PRICE = Decimal(54500)
STREAM = Path(__file__).parents[2] / "payloads" / "stream"


def sample(name: str) -> dict[str, object]:
    """A frame of the exchange's document, to be changed at will."""
    found: dict[str, object] = json.loads((STREAM / f"{name}.json").read_text())
    return found


def order(**changes: object) -> dict[str, object]:
    frame = sample("order-update")
    assert isinstance(frame["order"], dict)
    return frame | {"order": frame["order"] | changes}


def data(fields: dict[str, object]) -> DataFrame:
    frame = decode_frame(json.dumps(fields))
    assert not isinstance(frame, Acknowledgement)
    return frame


def mapped(fields: dict[str, object], previous: Ticker | None = None) -> tuple[Topic, StreamValue]:
    update = map_frame(data(fields), NOW, {} if previous is None else {"BTCTRY": previous})
    assert isinstance(update, Update)
    assert update.time == NOW
    return update.topic, update.value


def test_all_tickers_share_one_topic() -> None:
    topic, value = mapped(sample("all-tickers"))
    assert topic == Topic(TopicKind.ALL_TICKERS)
    assert isinstance(value, Ticker)
    assert (value.symbol, value.last, value.quote_volume) == ("BTCTRY", PRICE + 1, PRICE + 1)
    assert (value.change_percent, value.open_time) == (Decimal("0.0018"), 1587923986290)


def test_a_ticker_frame_keeps_the_last_known_change_and_open_time() -> None:
    previous = Ticker("BTCTRY", Decimal(1), change_percent=Decimal(3), open_time=5)
    topic, value = mapped(sample("ticker"), previous)
    assert topic == Topic(TopicKind.TICKER, "BTCTRY")
    assert isinstance(value, Ticker)
    assert (value.last, value.change_percent, value.open_time) == (PRICE, Decimal(3), 5)


def test_a_ticker_frame_without_a_predecessor_leaves_them_unknown() -> None:
    _, value = mapped(sample("ticker"))
    assert isinstance(value, Ticker)
    assert (value.change_percent, value.open_time) == (None, None)


def test_a_candle_closes_at_its_end_not_at_its_last_update() -> None:
    topic, value = mapped(sample("candles"))
    assert topic == Topic(TopicKind.CANDLES, "BTCTRY", CandleInterval.M5)
    prices = (PRICE, PRICE, PRICE, PRICE, Decimal("0.0005"))
    candle = Candle(1588010100000, 1588010400000, *prices)
    assert value == CandleUpdate("BTCTRY", CandleInterval.M5, candle, updated_at=1588010323000)


def test_a_candle_off_the_grid_is_put_on_it() -> None:
    frame = sample("candles")
    assert isinstance(frame["kline"], dict)
    _, value = mapped(frame | {"kline": frame["kline"] | {"openTime": 1588010100007}})
    assert isinstance(value, CandleUpdate)
    assert value.candle.open_time == 1588010100000


def test_the_top_of_book_has_both_sides() -> None:
    topic, value = mapped(sample("order-book"))
    assert topic == Topic(TopicKind.TOP_OF_BOOK, "BTCTRY")
    quantity = Decimal("0.001")
    bid, ask = PriceLevel(PRICE, quantity), PriceLevel(PRICE + 1, quantity)
    assert value == TopOfBook("BTCTRY", bid, ask)


@pytest.mark.parametrize(
    "price",
    [{}, {"bidPrice": None}, {"bidPrice": 0}],
    ids=["absent", "null", "zero"],
)
def test_an_empty_side_of_the_top_is_none(price: dict[str, object]) -> None:
    frame = sample("order-book")
    del frame["bidPrice"]
    _, value = mapped(frame | price)
    assert value == TopOfBook("BTCTRY", None, PriceLevel(PRICE + 1, Decimal("0.001")))


def test_a_depth_frame_is_the_whole_book() -> None:
    topic, value = mapped(sample("depth"))
    assert topic == Topic(TopicKind.ORDER_BOOK, "BTCTRY")
    assert isinstance(value, OrderBook)
    assert [bid.price for bid in value.bids] == [PRICE, PRICE - 1, PRICE - 2]
    assert [ask.price for ask in value.asks] == [PRICE + 1, PRICE + 2, PRICE + 3]
    assert value.bids[0].orders == 1


def test_a_crossed_book_is_withheld() -> None:
    depth = sample("depth")
    assert isinstance(depth["depth"], dict)
    depth["depth"]["bids"].append({"price": 54501, "amount": 1, "count": 1})
    for frame in (depth, sample("order-book") | {"bidPrice": 54501}):
        with pytest.raises(Unreadable) as caught:
            mapped(frame)
        assert caught.value.reason is Malformed.CROSSED_BOOK


EMPTY_TOP = {"bidPrice": 0, "bidAmount": 0, "askPrice": None}
ONE_LEVEL = [{"price": 1, "amount": 1, "count": 1}]


def test_a_book_without_a_single_order_is_withheld() -> None:
    empty = sample("depth") | {"depth": {"bids": [], "asks": []}}
    for frame in (empty, sample("order-book") | EMPTY_TOP):
        with pytest.raises(Unreadable) as caught:
            mapped(frame)
        assert caught.value.reason is Malformed.EMPTY_BOOK


@pytest.mark.parametrize(("bids", "asks"), [(ONE_LEVEL, []), ([], ONE_LEVEL)])
def test_a_book_with_one_empty_side_is_a_book(bids: list[object], asks: list[object]) -> None:
    _, value = mapped(sample("depth") | {"depth": {"bids": bids, "asks": asks}})
    assert isinstance(value, OrderBook)
    assert len(value.bids) + len(value.asks) == 1


@pytest.mark.parametrize(
    ("trade_type", "side"),
    [(0, OrderSide.SELL), (1, OrderSide.BUY), ("1", OrderSide.BUY)],
    ids=["buyer made", "buyer took", "as a string"],
)
def test_a_trade_has_the_side_of_its_taker(trade_type: int | str, side: OrderSide) -> None:
    topic, value = mapped(sample("trade") | {"tradeType": trade_type})
    assert topic == Topic(TopicKind.TRADES, "BTCTRY")
    assert value == Trade("BTCTRY", PRICE, Decimal("0.0005"), side, 1588010323279)


def test_an_order_update_belongs_to_the_account() -> None:
    topic, value = mapped(sample("order-update"))
    assert topic == Topic(TopicKind.ACCOUNT)
    assert isinstance(value, Order)
    assert (value.symbol, value.side, value.type) == ("BTCUSDT", OrderSide.BUY, OrderType.LIMIT)
    assert (value.status, value.price, value.stop_price) == (OrderStatus.NEW, Decimal(7350), None)


@pytest.mark.parametrize(("number", "order_type"), list(enumerate(OrderType)))
@pytest.mark.parametrize("order_id", [{}, {"orderId": None}, {"orderId": ""}], ids=str)
def test_an_order_update_of_any_type_may_lack_its_id(
    number: int, order_type: OrderType, order_id: dict[str, object]
) -> None:
    text = json.dumps(order(orderType=number)).replace('"orderId"', '"unknown"')
    frame = json.loads(text)
    _, value = mapped(frame | {"order": frame["order"] | order_id})
    assert isinstance(value, Order)
    assert (value.type, value.order_id) == (order_type, None)


def test_cancelled_all_is_cancelled_and_hints_at_the_other_orders() -> None:
    frame = order(status="CANCELLED_ALL")
    _, value = mapped(frame)
    assert isinstance(value, Order)
    assert (value.status, value.mass_cancelled) == (OrderStatus.CANCELLED, True)
    assert cancels_all(data(frame))
    assert not cancels_all(data(order()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("balance-update", BalanceChange("BTC", available=Decimal("0.01245"))),
        ("reserved-update", BalanceChange("BTC", held=Decimal("0.01245"))),
    ],
)
def test_a_balance_frame_tells_one_part_of_a_balance(name: str, change: BalanceChange) -> None:
    assert mapped(sample(name)) == (Topic(TopicKind.ACCOUNT), change)


@pytest.mark.parametrize(
    "frame",
    [
        order(status="LOST"),
        sample("trade") | {"tradeType": 5},
        sample("order-book") | {"bidPrice": "1E+99999"},
        sample("order-book") | {"bidPrice": -1},
        sample("order-book") | {"bidAmount": 0},
        sample("order-book") | {"bidAmount": None},
        sample("trade") | {"price": 0},
        sample("trade") | {"amount": -1},
        sample("balance-update") | {"available": "NaN"},
        sample("reserved-update") | {"reserved": -1},
        order(filledAmount=1),
        order(amount=-1),
    ],
    ids=[
        "status",
        "trade type",
        "unbounded price",
        "price below zero",
        "level of nothing",
        "level without a quantity",
        "trade for nothing",
        "trade of less than nothing",
        "available that is no number",
        "less than nothing held",
        "more filled than ordered",
        "order of less than nothing",
    ],
)
def test_a_frame_without_meaning_is_withheld(frame: dict[str, object]) -> None:
    with pytest.raises(Unreadable) as caught:
        mapped(frame)
    assert caught.value.reason is Malformed.WRONG_SHAPE


@pytest.mark.parametrize("kind", [kind for kind in TopicKind if kind is not TopicKind.ACCOUNT])
def test_the_name_of_a_public_topic_leads_back_to_it(kind: TopicKind) -> None:
    symbol = None if kind is TopicKind.ALL_TICKERS else "BTCTRY"
    interval = CandleInterval.H4 if kind is TopicKind.CANDLES else None
    topic = Topic(kind, symbol, interval)
    assert topic_of(stream_name(topic)) == topic


def test_a_name_without_its_symbol_or_interval_is_not_guessed() -> None:
    for name in (StreamName("depth"), StreamName("candles", "A"), StreamName("candles", "A", "m7")):
        with pytest.raises(Unparsable):
            topic_of(name)
    assert topic_of(StreamName("news", "A")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type":"orderUpdate","order":1}', (Topic(TopicKind.ACCOUNT), None)),
        ('{"type":"balanceUpdate","symbol":"A"}', (Topic(TopicKind.ACCOUNT), "A")),
        ('{"type":"reservedUpdate"}', (Topic(TopicKind.ACCOUNT), None)),
        ('{"type":"trade","symbol":"A"}', (Topic(TopicKind.TRADES, "A"), "A")),
        ('{"type":"allTickers","symbol":"A"}', (Topic(TopicKind.ALL_TICKERS), "A")),
        ('{"type":"allTickers"}', (Topic(TopicKind.ALL_TICKERS), None)),
        ('{"type":"news","symbol":"A"}', (None, "A")),
        ('{"data":"pong"}', (None, None)),
        ('{"method":"SUBSCRIBE","type":"trade","symbol":"A"}', (None, None)),
    ],
    ids=[
        "order",
        "available",
        "held",
        "trade",
        "one of all tickers",
        "one of all tickers without a symbol",
        "another kind",
        "no kind",
        "acknowledgement",
    ],
)
def test_an_unreadable_frame_may_still_say_where_it_belongs(
    text: str, said: tuple[Topic | None, str | None]
) -> None:
    assert topic_of_unreadable(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "",
        '{"type":"trade","sym',
        '{"type":7}',
        '{"type":"trade"}',
        '{"type":"trade","symbol":"A","price":NaN}',
        '{"type":"news","type":"trade","symbol":"A"}',
        '{"type":"trade","symbol":"A","new":' + "[" * 100_000,
        b"\xff",
    ],
    ids=[
        "no object",
        "empty",
        "truncated",
        "a kind that is no text",
        "trade of nothing",
        "no number",
        "two kinds",
        "too deep",
        "no text",
    ],
)
def test_an_unreadable_frame_that_does_not_say_where_it_belongs_may_be_of_any_topic(
    text: str | bytes,
) -> None:
    with pytest.raises(Unparsable):
        topic_of_unreadable(text)
