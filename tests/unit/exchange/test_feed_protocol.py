"""The feed's protocol, driven by hand: no clock, no socket."""

import json
import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.domain.account import BalanceChange
from gateway.domain.market import CandleInterval, Ticker, Trade
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.streams import Broken, FeedEvent, Started, Topic, TopicKind, Update, Withheld
from gateway.exchange.feed_protocol import MAX_FRAME, FeedProtocol
from gateway.exchange.feed_timing import FeedTiming, Instant
from gateway.exchange.stream_wire import Malformed

LOGIN = '{"method":"USER_STREAMS","signature":"d36256b4002dc7d6","apiKey":"Y0Ahb"}'
ALL = Topic(TopicKind.ALL_TICKERS)
TICKER = Topic(TopicKind.TICKER, "BTCTRY")
TRADES = Topic(TopicKind.TRADES, "BTCTRY")
CANDLES = Topic(TopicKind.CANDLES, "BTCTRY", CandleInterval.M5)
BOOK = Topic(TopicKind.ORDER_BOOK, "BTCTRY")
ACCOUNT = Topic(TopicKind.ACCOUNT)

NAMES: dict[Topic, dict[str, str]] = {
    ALL: {"type": "allTickers"},
    TICKER: {"type": "ticker", "symbol": "BTCTRY"},
    TRADES: {"type": "trade", "symbol": "BTCTRY"},
    CANDLES: {"type": "candles", "symbol": "BTCTRY", "interval": "m5"},
    BOOK: {"type": "depth", "symbol": "BTCTRY"},
}
TOPICS = {tuple(name.values()): topic for topic, name in NAMES.items()}
ORDER = {
    "status": "NEW",
    "market": "BTCUSDT",
    "orderType": 0,
    "side": 0,
    "price": 7350,
    "amount": 0.0001,
    "filledAmount": 0,
    "orderId": "6b11",
    "time": 1578405048608,
}
DATA: dict[Topic, dict[str, object]] = {
    ALL: {"type": "allTickers", "symbol": "BTCTRY", "last": 1, "changePercent": 0.5},
    TICKER: {"type": "ticker", "symbol": "BTCTRY", "last": 1},
    TRADES: NAMES[TRADES] | {"amount": 0.5, "price": 54500, "tradeType": 1, "time": 1588010323279},
    ACCOUNT: {"type": "orderUpdate", "order": ORDER},
}
CROSSED = json.dumps(
    {
        "type": "orderBook",
        "symbol": "A",
        "bidPrice": 2,
        "bidAmount": 1,
        "askPrice": 2,
        "askAmount": 1,
    }
)

UNREADABLE_TRADE = '{"type":"trade","symbol":"BTCTRY","price":"dear"}'
CROSSED_DEPTH = json.dumps(
    NAMES[BOOK]
    | {
        "depth": {
            "bids": [{"price": 2, "amount": 1, "count": 1}],
            "asks": [{"price": 1, "amount": 1, "count": 1}],
        }
    }
)
EMPTY_DEPTH = json.dumps(NAMES[BOOK] | {"depth": {"bids": [], "asks": []}})


def ack(topic: Topic, method: str = "SUBSCRIBE", status: str = "success") -> str:
    if topic == ACCOUNT:
        return json.dumps({"method": "USER_STREAMS", "status": status})
    return json.dumps({"method": method, "status": status, **NAMES[topic]})


def listing(*topics: Topic) -> str:
    result = [NAMES[topic] for topic in topics]
    return json.dumps({"method": "LIST_SUBSCRIPTIONS", "status": "success", "result": result})


class Bench:
    """A protocol with a clock to turn by hand; the wall clock shows the same time in ms."""

    def __init__(self, login: str | None = LOGIN) -> None:
        self.now = 1000.0
        self.malformed: Counter[Malformed] = Counter()
        self.refused: Counter[TopicKind] = Counter()
        self.protocol = FeedProtocol(
            timing=FeedTiming(),
            rng=random.Random(7),
            on_malformed=lambda reason: self.malformed.update([reason]),
            on_refused=lambda kind: self.refused.update([kind]),
            login=None if login is None else lambda: login,
        )

    @property
    def at(self) -> Instant:
        return Instant(self.now, int(self.now * 1000))

    def started(self, *topics: Topic) -> "Bench":
        """Connect, and have `topics` confirmed."""
        for topic in topics:
            self.protocol.want(topic)
        self.protocol.connected(self.at)
        for topic in topics:
            assert self.receive(ack(topic)) == [Started(topic, self.at.wall)]
        self.sent()
        return self

    def receive(self, text: str | bytes) -> list[FeedEvent]:
        return self.protocol.receive(text, self.at)

    def after(self, seconds: float) -> list[FeedEvent]:
        self.now += seconds
        return self.protocol.tick(self.at)

    def sent(self) -> list[dict[str, object]]:
        return [json.loads(frame) for frame in self.protocol.take_frames()]


def test_wanted_topics_are_requested_in_one_frame_on_connection() -> None:
    bench = Bench()
    for topic in (ALL, CANDLES):
        bench.protocol.want(topic)
    assert bench.sent() == []
    bench.protocol.connected(bench.at)
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[ALL], NAMES[CANDLES]]}]


def test_a_topic_is_confirmed_only_by_its_own_acknowledgement() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.want(TICKER)
    bench.protocol.connected(bench.at)
    assert bench.receive(json.dumps(DATA[TICKER])) == []
    assert bench.receive(ack(ALL)) == [Started(ALL, bench.at.wall)]
    assert bench.protocol.confirmed == {ALL}


def test_a_frame_of_a_started_topic_is_an_update() -> None:
    (event,) = Bench().started(TRADES).receive(json.dumps(DATA[TRADES]))
    assert isinstance(event, Update)
    assert isinstance(event.value, Trade)
    assert event.topic == TRADES


def test_a_want_on_a_standing_connection_is_requested_at_the_next_tick() -> None:
    bench = Bench().started(ALL)
    bench.protocol.want(TRADES)
    assert bench.after(0) == []
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[TRADES]]}]


def test_a_topic_unwanted_and_wanted_again_within_a_turn_starts_again_without_a_request() -> None:
    bench = Bench().started(ALL)
    bench.protocol.unwant(ALL)
    assert bench.receive(json.dumps(DATA[ALL])) == []
    bench.protocol.want(ALL)
    assert bench.after(0) == [Started(ALL, bench.at.wall)]
    assert bench.sent() == []


def test_a_topic_wanted_again_while_leaving_waits_for_the_acknowledgement() -> None:
    bench = Bench().started(ALL)
    bench.protocol.unwant(ALL)
    bench.after(0)
    assert bench.sent() == [{"method": "UNSUBSCRIBE", "params": [NAMES[ALL]]}]
    bench.protocol.want(ALL)
    bench.after(0)
    assert bench.sent() == []
    bench.receive(ack(ALL, "UNSUBSCRIBE"))
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[ALL]]}]


def test_a_failed_topic_is_counted_and_asked_for_again_later() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    bench.sent()
    bench.receive(ack(ALL, status="failed"))
    assert bench.refused == {TopicKind.ALL_TICKERS: 1}
    assert bench.sent() == []
    assert bench.protocol.next_deadline() <= bench.now + FeedTiming().retry_base
    bench.after(FeedTiming().retry_base)
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[ALL]]}]


def test_topics_of_a_nameless_failure_are_asked_for_again_one_by_one() -> None:
    bench = Bench()
    for topic in (ALL, TICKER):
        bench.protocol.want(topic)
    bench.protocol.connected(bench.at)
    bench.sent()
    bench.receive('{"method":"SUBSCRIBE","status":"failed","message":"no"}')
    bench.after(FeedTiming().retry_base)
    assert [frame["params"] for frame in bench.sent()] == [[NAMES[ALL]], [NAMES[TICKER]]]


def test_a_nameless_failure_of_a_subscribe_is_not_the_login_s() -> None:
    bench = Bench()
    for topic in (ALL, ACCOUNT):
        bench.protocol.want(topic)
    bench.protocol.connected(bench.at)
    bench.receive('{"method":"SUBSCRIBE","status":"failed","message":"no"}')
    assert bench.refused == {TopicKind.ALL_TICKERS: 1}


def test_a_stray_end_of_a_topic_that_is_being_requested_changes_nothing() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    bench.sent()
    assert bench.receive(ack(ALL, "UNSUBSCRIBE")) == []
    assert bench.sent() == []


def test_a_request_without_an_acknowledgement_fails_and_is_repeated() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    bench.sent()
    bench.after(FeedTiming().ack_within)
    bench.after(FeedTiming().retry_base)
    assert bench.refused == {TopicKind.ALL_TICKERS: 1}
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[ALL]]}]


def test_a_late_acknowledgement_still_confirms() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    bench.after(FeedTiming().ack_within)
    assert bench.receive(ack(ALL)) == [Started(ALL, bench.at.wall)]


def test_failures_are_remembered_across_connections() -> None:
    bench = Bench()
    bench.protocol.want(ACCOUNT)
    bench.protocol.connected(bench.at)
    bench.receive(ack(ACCOUNT, status="failed"))
    bench.protocol.disconnected("closed")
    bench.sent()
    bench.protocol.connected(bench.at)
    assert bench.sent() == []


def test_the_account_is_bound_by_the_login_frame_and_its_acknowledgement() -> None:
    bench = Bench()
    bench.protocol.want(ACCOUNT)
    bench.protocol.connected(bench.at)
    assert bench.protocol.take_frames() == [LOGIN]
    assert bench.receive(ack(ACCOUNT)) == [Started(ACCOUNT, bench.at.wall)]


def test_a_refused_login_is_counted_and_waits_longer_than_a_topic() -> None:
    bench = Bench()
    bench.protocol.want(ACCOUNT)
    bench.protocol.connected(bench.at)
    bench.sent()
    bench.receive('{"method":"USER_STREAMS","status":"failed","message":"Unauthorized Access"}')
    assert bench.refused == {TopicKind.ACCOUNT: 1}
    bench.after(FeedTiming().retry_base)
    assert bench.sent() == []
    bench.after(FeedTiming().login_retry_base)
    assert json.loads(LOGIN) in bench.sent()


def test_the_account_cannot_be_wanted_without_a_login() -> None:
    with pytest.raises(ValueError, match="login"):
        Bench(login=None).protocol.want(ACCOUNT)


def test_no_login_frame_shows_in_a_repr() -> None:
    bench = Bench().started(ALL)
    bench.protocol.want(ACCOUNT)
    bench.after(0)
    assert "d36256b4002dc7d6" not in repr(bench.protocol) + repr(vars(bench.protocol)["_topics"])


def test_the_end_of_the_connection_breaks_everything_since_the_last_frame() -> None:
    bench = Bench().started(ALL)
    whole = bench.at.wall
    bench.now += 4
    assert bench.protocol.disconnected("closed") == [Broken(whole, "closed")]
    assert bench.protocol.confirmed == frozenset()


def test_nothing_is_broken_when_nothing_was_started() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    assert bench.protocol.disconnected("closed") == []


def test_a_new_connection_requests_everything_again() -> None:
    bench = Bench().started(ALL, TRADES)
    bench.protocol.disconnected("closed")
    bench.protocol.connected(bench.at)
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[ALL], NAMES[TRADES]]}]


def test_frames_after_the_end_of_a_connection_say_nothing() -> None:
    bench = Bench().started(ALL)
    bench.protocol.disconnected("closed")
    assert bench.receive(ack(ALL)) == []
    assert bench.after(60) == []
    assert bench.sent() == []


def test_what_was_not_sent_on_one_connection_is_not_sent_on_the_next() -> None:
    bench = Bench()
    bench.protocol.want(ALL)
    bench.protocol.connected(bench.at)
    bench.protocol.disconnected("closed")
    assert bench.sent() == []


def test_an_audit_of_one_connection_does_not_make_the_next_one_mute() -> None:
    bench = audited(ALL)
    bench.protocol.disconnected("closed")
    bench.protocol.connected(bench.at)
    assert not bench.protocol.is_mute(bench.now + FeedTiming().mute_after)


def test_an_audit_is_sent_at_its_time() -> None:
    bench = Bench().started(ALL)
    bench.after(FeedTiming().audit_every - 1)
    assert bench.sent() == []
    bench.after(1)
    assert bench.sent() == [{"method": "LIST_SUBSCRIPTIONS"}]


def audited(*topics: Topic) -> Bench:
    bench = Bench().started(*topics)
    bench.after(FeedTiming().audit_every)
    bench.sent()
    return bench


def test_a_topic_that_an_audit_misses_is_broken_since_it_was_last_whole_and_asked_for_again() -> (
    None
):
    bench = audited(ALL, TRADES)
    began = bench.at.wall - 15_000
    (event,) = bench.receive(listing(ALL))
    assert isinstance(event, Broken)
    assert (event.since, event.topics) == (began, frozenset({TRADES}))
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[TRADES]]}]


def test_a_topic_that_an_audit_names_counts_as_whole_when_the_audit_was_sent() -> None:
    bench = audited(TRADES)
    audit = bench.at.wall
    bench.now += 1
    assert bench.receive(listing(TRADES)) == []
    bench.after(FeedTiming().audit_every)
    (event,) = bench.receive(listing())
    assert isinstance(event, Broken)
    assert event.since == audit


def test_a_topic_that_an_audit_names_without_being_confirmed_is_ended() -> None:
    bench = audited(ALL)
    assert bench.receive(listing(ALL, BOOK)) == []
    assert bench.sent() == [{"method": "UNSUBSCRIBE", "params": [NAMES[BOOK]]}]


def test_a_topic_that_an_audit_ended_is_asked_for_only_after_its_end() -> None:
    bench = audited(ALL)
    bench.receive(listing(ALL, BOOK))
    bench.sent()
    bench.protocol.want(BOOK)
    bench.after(0)
    assert bench.sent() == []
    bench.receive(ack(BOOK, "UNSUBSCRIBE"))
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[BOOK]]}]


def test_a_topic_confirmed_after_the_audit_was_sent_is_not_missed() -> None:
    bench = audited(ALL)
    bench.protocol.want(TRADES)
    bench.after(0)
    bench.receive(ack(TRADES))
    assert bench.receive(listing(ALL)) == []


def test_an_audit_says_nothing_of_the_account() -> None:
    assert audited(ACCOUNT).receive(listing()) == []


def test_an_unknown_stream_in_an_audit_is_passed_over() -> None:
    text = '{"method":"LIST_SUBSCRIPTIONS","status":"success","result":[{"type":"news"}]}'
    bench = audited(ACCOUNT)
    assert bench.receive(text) == []
    assert bench.sent() == []


def test_a_subscription_that_the_exchange_ends_is_broken_and_asked_for_again() -> None:
    bench = Bench().started(TRADES)
    (event,) = bench.receive(ack(TRADES, "UNSUBSCRIBE"))
    assert isinstance(event, Broken)
    assert event.topics == frozenset({TRADES})
    assert bench.sent() == [{"method": "SUBSCRIBE", "params": [NAMES[TRADES]]}]


@pytest.mark.parametrize(
    ("frame", "mute"),
    [
        pytest.param(None, True, id="silence"),
        pytest.param("<html>", True, id="garbage"),
        pytest.param(listing(ALL), False, id="the reply"),
        pytest.param(json.dumps(DATA[ALL]), False, id="a data frame"),
    ],
)
def test_a_connection_is_mute_when_nothing_readable_follows_an_audit(
    frame: str | None, *, mute: bool
) -> None:
    bench = audited(ALL)
    bench.now += 1
    if frame is not None:
        bench.receive(frame)
    assert not bench.protocol.is_mute(bench.now)
    bench.now += FeedTiming().mute_after
    assert bench.protocol.is_mute(bench.now) is mute


def test_no_second_audit_hides_the_silence_after_the_first() -> None:
    bench = audited(ALL)
    bench.after(FeedTiming().audit_every)
    assert bench.sent() == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"{}", Malformed.BINARY),
        ("x" * (MAX_FRAME + 1), Malformed.OVERSIZED),
        ("{", Malformed.NOT_AN_OBJECT),
        ("[1]", Malformed.NOT_AN_OBJECT),
        ("[" * 100_000, Malformed.NOT_AN_OBJECT),
        ('{"data":"pong"}', Malformed.UNKNOWN_KIND),
        ('{"type":"news"}', Malformed.UNKNOWN_KIND),
        ('{"type":7}', Malformed.UNKNOWN_KIND),
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
def test_a_malformed_frame_is_counted_and_harms_nothing(
    frame: str | bytes, reason: Malformed
) -> None:
    bench = Bench().started(TRADES)
    assert bench.receive(frame) == []
    assert bench.malformed == {reason: 1}
    assert bench.protocol.is_started(TRADES)


@pytest.mark.parametrize(
    ("topic", "frame"),
    [
        (TRADES, UNREADABLE_TRADE),
        (ACCOUNT, '{"type":"orderUpdate","order":{"status":"LOST"}}'),
    ],
    ids=["trade", "order"],
)
def test_a_trade_or_order_that_cannot_be_read_leaves_a_gap(topic: Topic, frame: str) -> None:
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
    assert started == Started(ACCOUNT, bench.at.wall)


def test_a_ticker_keeps_what_its_frames_leave_out() -> None:
    bench = Bench().started(ALL, TICKER)
    bench.receive(json.dumps(DATA[ALL]))
    (event,) = bench.receive(json.dumps(DATA[TICKER]))
    assert isinstance(event, Update)
    assert isinstance(event.value, Ticker)
    assert str(event.value.change_percent) == "0.5"


class Interleavings(RuleBasedStateMachine):
    """The protocol against an exchange that answers late, wrongly, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.connected = False
        self.asked: list[tuple[str, Topic]] = []
        self.acknowledged: set[Topic] = set()
        self.wanted: set[Topic] = set()
        self.started: set[Topic] = set()

    def check(self, events: list[FeedEvent]) -> None:
        for event in events:
            match event:
                case Started(topic):
                    assert topic in self.wanted & self.acknowledged
                    assert topic not in self.started
                    self.started.add(topic)
                case Broken(topics=topics):
                    self.started -= self.started if topics is None else topics
                case Update(topic) | Withheld(topic):
                    assert topic in self.wanted & self.started
        self.collect()

    def collect(self) -> None:
        for frame in self.bench.sent():
            method = str(frame["method"])
            params = frame.get("params", [])
            assert isinstance(params, list)
            self.asked += [(method, TOPICS[tuple(name.values())]) for name in params]
            if method == "USER_STREAMS":
                self.asked.append((method, ACCOUNT))

    @rule(topic=st.sampled_from(list(DATA)))
    def want(self, topic: Topic) -> None:
        self.bench.protocol.want(topic)
        self.wanted.add(topic)

    @rule(topic=st.sampled_from(list(DATA)))
    def unwant(self, topic: Topic) -> None:
        self.bench.protocol.unwant(topic)
        self.wanted.discard(topic)
        self.started.discard(topic)

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.bench.protocol.connected(self.bench.at)
        self.connected = True
        self.collect()

    @precondition(lambda self: self.connected)
    @rule()
    def drop(self) -> None:
        events = self.bench.protocol.disconnected("closed")
        assert len(events) == (1 if self.started else 0)
        self.check(events)
        assert not self.started
        self.connected = False
        self.asked.clear()
        self.acknowledged.clear()

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 15.0, 60.0]))
    def tick(self, seconds: float) -> None:
        self.check(self.bench.after(seconds))

    @precondition(lambda self: self.asked)
    @rule(picks=st.integers(0, 9), succeeds=st.booleans(), named=st.booleans())
    def answer(self, picks: int, *, succeeds: bool, named: bool) -> None:
        method, topic = self.asked.pop(picks % len(self.asked))
        if succeeds:
            (self.acknowledged.discard if method == "UNSUBSCRIBE" else self.acknowledged.add)(topic)
            self.check(self.bench.receive(ack(topic, method)))
        elif named:
            self.check(self.bench.receive(ack(topic, method, "failed")))
        else:
            self.check(self.bench.receive(json.dumps({"method": method, "status": "failed"})))

    @precondition(lambda self: self.connected)
    @rule(listed=st.sets(st.sampled_from(list(NAMES))))
    def list_anything(self, listed: set[Topic]) -> None:
        self.check(self.bench.receive(listing(*listed)))

    @rule(topic=st.sampled_from(list(DATA)))
    def tell(self, topic: Topic) -> None:
        self.check(self.bench.receive(json.dumps(DATA[topic])))

    @rule(
        text=st.sampled_from(["", "{", "null", CROSSED_DEPTH, EMPTY_DEPTH, UNREADABLE_TRADE, "[]"])
    )
    def babble(self, text: str) -> None:
        self.check(self.bench.receive(text))

    @invariant()
    def only_acknowledged_topics_are_confirmed(self) -> None:
        assert self.bench.protocol.confirmed <= self.acknowledged

    @invariant()
    def started_is_what_the_events_say(self) -> None:
        assert {topic for topic in DATA if self.bench.protocol.is_started(topic)} == self.started

    def teardown(self) -> None:
        """An exchange that answers everything at last has every wanted topic started."""
        if not self.connected:
            self.connect()
        for _ in range(8):
            self.tick(1000.0)
            while self.asked:
                self.answer(0, succeeds=True, named=True)
        assert self.started == self.wanted
        assert self.bench.protocol.confirmed - {ACCOUNT} == self.wanted - {ACCOUNT}


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=150, stateful_step_count=40)
