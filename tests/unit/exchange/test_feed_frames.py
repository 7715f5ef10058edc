"""What the feed's protocol makes of frames, of those without meaning above all."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.account import BalanceChange
from gateway.domain.market import Ticker
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.streams import Broken, Started, Topic, Update, Withheld
from gateway.exchange.feed_protocol import MAX_FRAME
from gateway.exchange.feed_timing import FeedTiming
from gateway.exchange.stream_wire import Malformed
from tests.unit.exchange.feed_by_hand import (
    ACCOUNT,
    ALL,
    BOOK,
    CANDLES,
    CROSSED,
    CROSSED_DEPTH,
    DATA,
    EMPTY_DEPTH,
    NAMES,
    ORDER,
    TICKER,
    TRADES,
    UNREADABLE_TRADE,
    Bench,
)
from tests.unit.exchange.spoiling import spoiled


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"{}", Malformed.BINARY),
        ('{"data":"pong"}', Malformed.UNKNOWN_KIND),
        ('{"type":"news"}', Malformed.UNKNOWN_KIND),
        ('{"method":"DANCE","status":"success"}', Malformed.WRONG_SHAPE),
        ('{"method":"SUBSCRIBE","status":"success"}', Malformed.WRONG_SHAPE),
        ('{"method":"SUBSCRIBE","status":"success","type":"news"}', Malformed.WRONG_SHAPE),
        ('{"method":"SUBSCRIBE","status":"success","type":"ticker"}', Malformed.WRONG_SHAPE),
        ('{"type":"ticker","symbol":"BTCTRY"}', Malformed.WRONG_SHAPE),
        ('{"type":"ticker","symbol":"BTCTRY","last":1E+999999}', Malformed.WRONG_SHAPE),
        (CROSSED, Malformed.CROSSED_BOOK),
        (EMPTY_DEPTH, Malformed.EMPTY_BOOK),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_malformed_frame_that_tells_nothing_of_a_topic_is_counted_and_harms_nothing(
    frame: str | bytes, reason: Malformed
) -> None:
    bench = Bench().started(TRADES)
    assert bench.receive(frame) == []
    assert bench.malformed == {reason: 1}
    assert bench.protocol.is_started(TRADES)


ORDER_FRAME = json.dumps(DATA[ACCOUNT])
OF_ANY_TOPIC: dict[str, tuple[str | bytes, Malformed]] = {
    "empty": ("", Malformed.NOT_AN_OBJECT),
    "truncated": (ORDER_FRAME[:-10], Malformed.NOT_AN_OBJECT),
    "not a number": (ORDER_FRAME.replace("7350", "NaN"), Malformed.NOT_AN_OBJECT),
    "too deep": (ORDER_FRAME[:-1] + ',"new":' + "[" * 100_000, Malformed.NOT_AN_OBJECT),
    "HTML": ("<html>", Malformed.NOT_AN_OBJECT),
    "a list of frames": (f"[{ORDER_FRAME}]", Malformed.NOT_AN_OBJECT),
    "a kind that is no text": ('{"type":7}', Malformed.UNKNOWN_KIND),
    "two kinds": ('{"type":"orderUpdate","type":"news"}', Malformed.UNKNOWN_KIND),
    "two values": (ORDER_FRAME.replace("7350", '7350,"price":7351'), Malformed.WRONG_SHAPE),
    "bytes that are no text": (b"\xff", Malformed.BINARY),
    "without an end": ("x" * (MAX_FRAME + 1), Malformed.OVERSIZED),
}


@pytest.mark.parametrize(("frame", "reason"), OF_ANY_TOPIC.values(), ids=OF_ANY_TOPIC)
def test_a_frame_that_may_be_of_any_topic_leaves_a_gap_in_all_of_them(
    frame: str | bytes, reason: Malformed
) -> None:
    bench = Bench().started(ALL, BOOK, TRADES, ACCOUNT)
    whole = bench.at.wall
    bench.now += 2
    broken, *started = bench.receive(frame)
    topics = frozenset({ALL, BOOK, TRADES, ACCOUNT})
    assert broken == Broken(whole, "a frame could not be read", topics)
    assert len(started) == len(topics)
    assert set(started) == {Started(topic, bench.at.wall) for topic in topics}
    assert bench.malformed == {reason: 1}


def test_a_frame_that_may_be_of_any_topic_breaks_none_before_one_has_started() -> None:
    assert Bench().started().receive("{") == []


@pytest.mark.parametrize(
    ("topic", "frame"),
    [
        (TRADES, UNREADABLE_TRADE),
        (ACCOUNT, '{"type":"orderUpdate","order":{"status":"LOST"}}'),
        (ALL, '{"type":"allTickers"}'),
    ],
    ids=["trade", "order", "ticker of nobody knows which market"],
)
def test_what_no_later_frame_makes_up_for_leaves_a_gap(topic: Topic, frame: str) -> None:
    bench = Bench().started(topic)
    whole = bench.at.wall
    bench.now += 2
    broken, started = bench.receive(frame)
    assert broken == Broken(whole, "a frame could not be read", frozenset({topic}))
    assert started == Started(topic, bench.at.wall)


def test_trades_that_cannot_be_read_start_the_topic_again_only_so_often() -> None:
    bench = Bench().started(TRADES)
    assert Started(TRADES, bench.at.wall) in bench.receive(UNREADABLE_TRADE)
    bench.now += 1
    (event,) = bench.receive(UNREADABLE_TRADE)
    assert isinstance(event, Broken)
    assert bench.receive(UNREADABLE_TRADE) == []
    assert bench.receive(json.dumps(DATA[TRADES])) == []
    assert bench.protocol.needs_tick
    assert bench.after(FeedTiming().restart_every - 1.5) == []
    assert bench.protocol.next_deadline() == bench.now + 0.5
    assert bench.after(0.5) == [Started(TRADES, bench.at.wall)]


@pytest.mark.parametrize(
    ("topic", "frame"),
    [
        (ALL, '{"type":"allTickers","symbol":"BTCTRY"}'),
        (TICKER, '{"type":"ticker","symbol":"BTCTRY","last":"dear"}'),
        (CANDLES, '{"type":"candles","symbol":"BTCTRY","interval":"m5","kline":1}'),
        (BOOK, '{"type":"depth","symbol":"BTCTRY","depth":[]}'),
        (BOOK, CROSSED_DEPTH),
        (BOOK, EMPTY_DEPTH),
        (BOOK, json.dumps(NAMES[BOOK] | {"depth": "x" * MAX_FRAME})),
    ],
    ids=[
        "one of all tickers",
        "ticker",
        "candle",
        "book",
        "crossed book",
        "empty book",
        "oversized book",
    ],
)
def test_a_value_that_cannot_be_read_outdates_the_one_before(topic: Topic, frame: str) -> None:
    bench = Bench().started(topic)
    assert bench.receive(frame) == [Withheld(topic, "BTCTRY")]
    assert bench.protocol.is_started(topic)


def test_a_value_that_cannot_be_read_says_nothing_of_a_topic_that_is_not_started() -> None:
    assert Bench().started(TICKER).receive(CROSSED_DEPTH) == []


@pytest.mark.parametrize(
    ("frame", "change"),
    [
        (
            '{"type":"balanceUpdate","symbol":"BTC","available":0.01245}',
            BalanceChange("BTC", available=Decimal("0.01245")),
        ),
        (
            '{"type":"reservedUpdate","symbol":"BTC","reserved":0}',
            BalanceChange("BTC", held=Decimal(0)),
        ),
    ],
    ids=["available", "held"],
)
def test_a_balance_frame_is_an_update_of_the_account(frame: str, change: BalanceChange) -> None:
    bench = Bench().started(ACCOUNT)
    assert bench.receive(frame) == [Update(ACCOUNT, change, bench.at.wall)]


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"balanceUpdate","symbol":"BTC"}',
        '{"type":"balanceUpdate","symbol":"BTC","reserved":1}',
        '{"type":"reservedUpdate","symbol":"BTC","reserved":-1}',
        '{"type":"reservedUpdate","reserved":1}',
        '{"type":"orderUpdate","order":{}}',
    ],
)
def test_a_frame_of_the_account_that_cannot_be_read_breaks_its_stream(frame: str) -> None:
    bench = Bench().started(ACCOUNT)
    broken, started = bench.receive(frame)
    assert isinstance(broken, Broken)
    assert broken.topics == frozenset({ACCOUNT})
    assert started == Started(ACCOUNT, bench.at.wall)
    assert bench.malformed == {Malformed.WRONG_SHAPE: 1}


def test_cancelled_all_cancels_its_order_and_leaves_a_gap_for_the_others() -> None:
    bench = Bench().started(ACCOUNT)
    whole = bench.at.wall
    bench.now += 2
    frame = {"type": "orderUpdate", "order": ORDER | {"status": "CANCELLED_ALL"}}
    update, broken, started = bench.receive(json.dumps(frame))
    assert isinstance(update, Update)
    assert isinstance(update.value, Order)
    assert update.value.status is OrderStatus.CANCELLED
    assert isinstance(broken, Broken)
    assert (broken.since, broken.topics) == (whole, frozenset({ACCOUNT}))
    assert broken.lossless
    assert started == Started(ACCOUNT, bench.at.wall)


def test_a_ticker_keeps_what_its_frames_leave_out() -> None:
    bench = Bench().started(ALL, TICKER)
    bench.receive(json.dumps(DATA[ALL]))
    (event,) = bench.receive(json.dumps(DATA[TICKER]))
    assert isinstance(event, Update)
    assert isinstance(event.value, Ticker)
    assert str(event.value.change_percent) == "0.5"


FRAMES = Path(__file__).parents[2] / "payloads" / "stream"


@pytest.mark.parametrize("name", sorted(path.stem for path in FRAMES.glob("*.json")))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_frame_with_anything_anywhere_is_told_or_counted_and_never_raises(
    name: str, data: st.DataObject
) -> None:
    text = data.draw(spoiled((FRAMES / f"{name}.json").read_text()))
    bench = Bench().started(ALL, TICKER, TRADES, CANDLES, BOOK, ACCOUNT)
    told = repr([event for event in bench.receive(text) if isinstance(event, Update)])
    assert "Decimal('NaN')" not in told
    assert "Decimal('-Infinity')" not in told
