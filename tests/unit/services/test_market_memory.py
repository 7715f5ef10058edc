from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain.market import (
    CandleInterval,
    CandleUpdate,
    DataSource,
    MarketKey,
    MarketKind,
    Snapshot,
    TradeHistory,
)
from gateway.domain.streams import Topic, TopicKind, Update
from gateway.services.market_memory import MarketMemory, fed_key, feeding_topics
from tests.unit.services.examples import (
    BOOK,
    BTC,
    CANDLES,
    ETH,
    HARD_MS,
    SOFT_MS,
    TICKER,
    TOP,
    TRADES,
    Clock,
    book,
    candle,
    history,
    lifetime,
    order,
    series,
    ticker,
    top,
    trade,
)

ALL_TICKERS = Topic(TopicKind.ALL_TICKERS)
TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
TRADES_TOPIC = Topic(TopicKind.TRADES, BTC)
CANDLES_TOPIC = Topic(TopicKind.CANDLES, BTC, CandleInterval.M1)
ETH_TOP = MarketKey(MarketKind.TOP_OF_BOOK, ETH)


def memory_of(clock: Clock, capacity: int = 100) -> MarketMemory:
    return MarketMemory(lifetime=lifetime, now=clock, capacity=capacity)


def rest(memory: MarketMemory, key: MarketKey, value: object, begun: int | None = None) -> None:
    mark = memory.mark() if begun is None else begun
    memory.offer(key, value, begun=mark, source=DataSource.REST)  # type: ignore[arg-type]


def test_an_answer_is_fresh_for_its_soft_lifetime_and_shown_for_its_hard_one() -> None:
    clock = Clock()
    memory = memory_of(clock)
    rest(memory, TOP, top(1))
    asked_at = clock.now
    clock.now += SOFT_MS - 1
    assert memory.fresh(TOP) == Snapshot(top(1), asked_at, DataSource.REST)
    clock.now += 1
    assert memory.fresh(TOP) is None
    assert memory.shown(TOP) == Snapshot(top(1), asked_at, DataSource.REST, stale=True)
    clock.now = asked_at + HARD_MS + 1
    assert memory.shown(TOP) is None


def test_what_a_live_topic_told_stays_fresh_at_any_age_and_is_stale_once_it_breaks() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TOP_TOPIC)
    memory.receive(Update(TOP_TOPIC, top(1), clock.now))
    clock.now += 10 * HARD_MS
    assert memory.fresh(TOP) is memory.fresh(TOP) is not None
    memory.broken({TOP_TOPIC}, since=clock.now - 5)
    assert memory.fresh(TOP) is None
    shown = memory.shown(TOP)
    assert shown is not None
    assert (shown.stale, shown.as_of) == (True, clock.now - 5)


def test_a_withheld_frame_outdates_a_value_until_the_next_frame_or_answer() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(ALL_TICKERS)
    eth = MarketKey(MarketKind.TICKER, ETH)
    for symbol in (BTC, ETH):
        memory.receive(Update(ALL_TICKERS, ticker(1, symbol), clock.now))
    memory.withheld(ALL_TICKERS, BTC)
    assert memory.fresh(TICKER) is None
    assert memory.fresh(eth) is not None
    memory.receive(Update(ALL_TICKERS, ticker(2), clock.now))
    assert memory.fresh(TICKER) is not None
    begun = memory.mark()
    memory.withheld(ALL_TICKERS, BTC)
    rest(memory, TICKER, ticker(3), begun)
    clock.now += SOFT_MS
    assert memory.fresh(TICKER) is None
    rest(memory, TICKER, ticker(4))
    clock.now += SOFT_MS
    assert memory.fresh(TICKER) is not None


def test_an_answer_begun_before_a_withheld_frame_of_an_unknown_value_is_not_taken_for_live() -> (
    None
):
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TOP_TOPIC)
    begun = memory.mark()
    memory.withheld(TOP_TOPIC, BTC)
    rest(memory, TOP, top(1), begun)
    clock.now += SOFT_MS
    assert memory.fresh(TOP) is None


def test_a_break_leaves_what_other_topics_feed_as_it_is() -> None:
    clock = Clock()
    memory = memory_of(clock)
    for topic, value in ((TOP_TOPIC, top(1)), (ALL_TICKERS, ticker(1))):
        memory.started(topic)
        memory.receive(Update(topic, value, clock.now))
    before = memory.fresh(TICKER)
    memory.broken({TOP_TOPIC}, since=clock.now + 50)
    assert memory.fresh(TICKER) is before is not None


def test_an_answer_begun_before_its_topic_started_is_not_kept_fresh_by_it() -> None:
    clock = Clock()
    memory = memory_of(clock)
    begun = memory.mark()
    memory.started(TOP_TOPIC)
    rest(memory, TOP, top(1), begun)
    clock.now += SOFT_MS
    assert memory.fresh(TOP) is None


def test_an_answer_begun_after_its_topic_started_stays_fresh_without_a_frame() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TOP_TOPIC)
    rest(memory, TOP, top(1))
    clock.now += 10 * HARD_MS
    assert memory.fresh(TOP) is not None


def test_an_answer_begun_before_the_newest_frame_loses_against_it() -> None:
    memory = memory_of(Clock())
    memory.started(TOP_TOPIC)
    begun = memory.mark()
    memory.receive(Update(TOP_TOPIC, top(2), 1))
    standing = memory.offer(TOP, top(1), begun=begun, source=DataSource.REST)
    assert standing.value == top(2)
    assert memory.fresh(TOP) is standing


def test_an_answer_takes_the_place_of_a_frame_past_its_hard_lifetime() -> None:
    clock = Clock()
    memory = memory_of(clock)
    begun = memory.mark()
    memory.started(TOP_TOPIC)
    memory.receive(Update(TOP_TOPIC, top(2), clock.now))
    memory.broken(None, clock.now)
    clock.now += HARD_MS + 1
    assert memory.offer(TOP, top(1), begun=begun, source=DataSource.REST).value == top(1)


def test_an_answer_begun_before_its_key_was_dropped_is_not_taken_for_live() -> None:
    """The frame that came in between went with the entry: nobody knows what it said."""
    clock = Clock()
    memory = memory_of(clock, capacity=1)
    memory.started(TOP_TOPIC)
    begun = memory.mark()
    memory.receive(Update(TOP_TOPIC, top(2), clock.now))
    rest(memory, ETH_TOP, top(1, ETH))
    rest(memory, TOP, top(1), begun)
    clock.now += SOFT_MS
    assert memory.fresh(TOP) is None


def test_memory_is_bounded_by_the_rows_of_its_values() -> None:
    memory = memory_of(Clock(), capacity=10)
    markets = [replace(CANDLES, symbol=symbol) for symbol in (BTC, ETH, "XRPUSDT")]
    for key in markets:
        rest(memory, key, series(*range(4)))
    assert memory.keys(MarketKind.CANDLES) == markets[1:]
    rest(memory, markets[2], series(*range(3)))
    rest(memory, TOP, top(1))
    assert memory.keys(MarketKind.CANDLES) == markets[1:]
    rest(memory, BOOK, book())
    assert memory.keys(MarketKind.CANDLES) == markets[2:]


def test_candles_of_any_times_push_out_one_another_and_nothing_else() -> None:
    memory = memory_of(Clock(), capacity=40)
    rest(memory, TOP, top(1))
    rest(memory, CANDLES, series(*range(4)))
    bounded = [replace(CANDLES, start=start) for start in range(20)]
    for key in bounded:
        rest(memory, key, series(*range(4)))
    assert memory.keys(MarketKind.CANDLES) == [CANDLES, *bounded[-2:]]
    assert memory.shown(TOP) is not None


def test_candles_that_are_over_stay_fresh_and_no_order_outdates_them() -> None:
    clock = Clock(600_000)
    memory = memory_of(clock)
    over, open_yet = replace(CANDLES, start=0, end=480_000), replace(CANDLES, end=480_001)
    rest(memory, over, series(1))
    rest(memory, open_yet, series(1))
    memory.outdate(BTC)
    assert (memory.is_outdated(over), memory.is_outdated(open_yet)) == (False, True)
    clock.now += HARD_MS - 1
    assert memory.fresh(over) is not None
    assert memory.fresh(open_yet) is None
    clock.now += 2
    assert memory.shown(over) is None


def test_a_value_larger_than_the_whole_memory_is_answered_but_not_kept() -> None:
    memory = memory_of(Clock(), capacity=3)
    told = memory.offer(CANDLES, series(*range(9)), begun=0, source=DataSource.REST)
    assert told.value == series(*range(9))
    assert memory.shown(CANDLES) is None


def test_what_is_past_its_hard_lifetime_is_dropped_and_what_is_live_is_not() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TOP_TOPIC)
    rest(memory, TOP, top(1))
    rest(memory, ETH_TOP, top(1, ETH))
    clock.now += HARD_MS + 1
    rest(memory, TICKER, ticker(1))
    assert memory.keys(MarketKind.TOP_OF_BOOK) == [TOP]


def test_what_the_shared_cache_holds_never_replaces_what_is_live() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TOP_TOPIC)
    memory.receive(Update(TOP_TOPIC, top(2), clock.now))
    clock.now += HARD_MS
    memory.recall(TOP, top(1), clock.now)
    clock.now += SOFT_MS
    live = memory.fresh(TOP)
    assert live is not None
    assert live.value == top(2)


def test_what_the_shared_cache_holds_replaces_what_is_older_and_stale() -> None:
    clock = Clock()
    memory = memory_of(clock)
    rest(memory, TOP, top(1))
    clock.now += SOFT_MS
    memory.recall(TOP, top(2), clock.now - 10)
    assert memory.fresh(TOP) == Snapshot(top(2), clock.now - 10, DataSource.CACHE)
    memory.recall(TOP, top(3), clock.now - 20)
    clock.now += SOFT_MS
    memory.recall(TOP, top(3), clock.now - 2 * SOFT_MS)
    shown = memory.shown(TOP)
    assert shown is not None
    assert shown.value == top(2)


def test_a_clock_that_is_set_back_keeps_nothing_fresh_for_long() -> None:
    clock = Clock()
    memory = memory_of(clock)
    rest(memory, TOP, top(1))
    clock.now -= 2 * HARD_MS
    assert memory.fresh(TOP) is None
    assert memory.shown(TOP) is None


def test_a_history_grows_by_frames_only_while_none_was_missed() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TRADES_TOPIC)
    assert memory.receive(Update(TRADES_TOPIC, trade(1), clock.now)) is None
    rest(memory, TRADES, history(1))
    grown = memory.receive(Update(TRADES_TOPIC, trade(2), clock.now))
    assert grown is not None
    assert grown.value == history(1, 2)
    memory.broken(None, clock.now)
    memory.started(TRADES_TOPIC)
    assert memory.receive(Update(TRADES_TOPIC, trade(4), clock.now)) is None
    clock.now += SOFT_MS
    assert memory.fresh(TRADES) is None


def test_a_history_is_joined_to_the_trades_that_were_told_while_it_was_on_its_way() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(TRADES_TOPIC)
    begun = memory.mark()
    memory.receive(Update(TRADES_TOPIC, trade(2), clock.now))
    rest(memory, TRADES, history(1), begun)
    clock.now += SOFT_MS
    joined = memory.fresh(TRADES)
    assert joined is not None
    assert joined.value == history(1, 2)


def test_a_trade_of_a_history_is_not_added_again_by_its_late_frame() -> None:
    memory = memory_of(Clock())
    memory.started(TRADES_TOPIC)
    rest(memory, TRADES, history(1, 2))
    for late_or_new in (2, 3):
        memory.receive(Update(TRADES_TOPIC, trade(late_or_new), 1))
    snapshot = memory.fresh(TRADES)
    assert snapshot is not None
    assert snapshot.value == history(1, 2, 3)


def minute(number: int, close: int) -> Update:
    update = CandleUpdate(BTC, CandleInterval.M1, candle(number, close))
    return Update(CANDLES_TOPIC, update, 1)


def test_a_series_takes_the_candles_that_were_told_while_it_was_on_its_way() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(CANDLES_TOPIC)
    memory.receive(minute(1, 5))
    begun = memory.mark()
    for told in (minute(2, 8), minute(2, 9), minute(3, 4)):
        memory.receive(told)
    rest(memory, CANDLES, series(0, 1, 2, close=7), begun)
    clock.now += SOFT_MS
    joined = memory.fresh(CANDLES)
    assert joined is not None
    assert joined.value == replace(
        series(1, close=7), candles=(candle(1, 7), candle(2, 9), candle(3, 4))
    )


def test_a_series_that_lacks_a_candle_before_the_one_told_is_never_fresh() -> None:
    memory = memory_of(Clock())
    memory.started(CANDLES_TOPIC)
    begun = memory.mark()
    memory.receive(minute(5, 9))
    rest(memory, CANDLES, series(1, 2), begun)
    assert memory.fresh(CANDLES) is None
    assert not memory.is_whole(CANDLES)
    rest(memory, CANDLES, series(4, 5, close=9))
    assert memory.is_whole(CANDLES)


def test_a_late_frame_of_a_closed_candle_takes_its_place() -> None:
    memory = memory_of(Clock())
    memory.started(CANDLES_TOPIC)
    rest(memory, CANDLES, series(1, 2))
    snapshot = memory.receive(minute(1, 9))
    assert snapshot is not None
    assert snapshot.value == replace(series(1), candles=(candle(1, 9), candle(2)))


def test_a_series_takes_the_open_candle_and_the_one_after_it_but_no_other() -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.started(CANDLES_TOPIC)
    rest(memory, CANDLES, series(1, 2))

    def told(minute: int) -> object:
        update = CandleUpdate(BTC, CandleInterval.M1, candle(minute, close=minute))
        snapshot = memory.receive(Update(CANDLES_TOPIC, update, clock.now))
        return None if snapshot is None else snapshot.value

    assert told(2) == replace(series(1), candles=(candle(1), candle(2, close=2)))
    assert told(3) == replace(series(1), candles=(candle(2, close=2), candle(3, close=3)))
    assert told(5) is None
    assert told(3) is None


def test_bounded_candles_and_listings_are_fed_by_no_topic() -> None:
    assert feeding_topics(replace(CANDLES, start=0)) == ()
    assert feeding_topics(replace(CANDLES, end=0)) == ()
    assert feeding_topics(MarketKey(MarketKind.LISTING)) == ()
    assert feeding_topics(TICKER) == (ALL_TICKERS, Topic(TopicKind.TICKER, BTC))


def test_the_frames_of_an_account_are_no_market_data() -> None:
    update = Update(Topic(TopicKind.ACCOUNT), order(), 1)
    assert fed_key(update) is None
    assert memory_of(Clock()).receive(update) is None


KEYS = [MarketKey(MarketKind.TOP_OF_BOOK, f"M{number}") for number in range(4)]
TOPICS = [Topic(TopicKind.TOP_OF_BOOK, key.symbol) for key in KEYS]
numbers = st.integers(0, len(KEYS) - 1)


class MemoryModel(RuleBasedStateMachine):
    """Each market's book has a version that counts its changes; a live topic tells each one."""

    @initialize(capacity=st.sampled_from([1, 2, 10]))
    def begin(self, capacity: int) -> None:
        self.clock = Clock()
        self.capacity = capacity
        self.memory = memory_of(self.clock, capacity)
        self.version = [0] * len(KEYS)
        self.told_last = [-1] * len(KEYS)
        self.live: set[int] = set()
        self.asked: list[tuple[int, int, int]] = []
        self.standing: list[tuple[int, int]] = []

    def value(self, number: int, version: int | None = None) -> object:
        return top(self.version[number] if version is None else version, KEYS[number].symbol)

    @rule(number=numbers)
    def change(self, number: int) -> None:
        """The market moves; a live topic says so."""
        self.version[number] += 1
        if number in self.live:
            told = self.value(number)
            self.told_last[number] = self.version[number]
            self.memory.receive(Update(TOPICS[number], told, self.clock.now))  # type: ignore[arg-type]

    @rule(number=numbers)
    def ask(self, number: int) -> None:
        """The exchange answers as things stand now; the answer arrives later."""
        self.asked.append((number, self.version[number], self.memory.mark()))

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 10))
    def answer(self, which: int) -> None:
        number, version, begun = self.asked.pop(which % len(self.asked))
        before = self.memory.shown(KEYS[number])
        newer = before is not None and self.told_last[number] > version
        after = self.memory.offer(
            KEYS[number],
            self.value(number, version),  # type: ignore[arg-type]
            begun=begun,
            source=DataSource.REST,
        )
        if newer and before is not None and before.source is DataSource.STREAM:
            assert after.value == before.value

    @rule(number=numbers, age=st.integers(0, HARD_MS), back=st.integers(0, 3))
    def recall(self, number: int, age: int, back: int) -> None:
        version = max(0, self.version[number] - back)
        value = self.value(number, version)
        self.memory.recall(KEYS[number], value, self.clock.now - age)  # type: ignore[arg-type]

    @rule(number=numbers)
    def start(self, number: int) -> None:
        if number not in self.live:
            self.live.add(number)
            self.memory.started(TOPICS[number])

    @rule(lost=st.sets(numbers))
    def cut(self, lost: set[int]) -> None:
        streamed = [number for number in lost & self.live if self.is_stream(number)]
        self.live -= lost
        self.memory.broken({TOPICS[number] for number in lost}, self.clock.now)
        assert all(self.memory.fresh(KEYS[number]) is None for number in streamed)

    @rule()
    def cut_all(self) -> None:
        self.live.clear()
        self.memory.broken(None, self.clock.now)

    @rule(step=st.sampled_from([1, SOFT_MS, HARD_MS, 2 * HARD_MS, -SOFT_MS, -3 * HARD_MS]))
    def pass_time(self, step: int) -> None:
        self.clock.now += step

    def is_stream(self, number: int) -> bool:
        shown = self.memory.shown(KEYS[number])
        return shown is not None and shown.source is DataSource.STREAM

    @invariant()
    def what_is_fresh_is_young_or_whole(self) -> None:
        for number, key in enumerate(KEYS):
            snapshot = self.memory.fresh(key)
            if snapshot is None:
                continue
            assert not snapshot.stale
            assert self.memory.shown(key) is snapshot
            young = abs(self.clock.now - snapshot.as_of) < SOFT_MS
            whole = number in self.live and snapshot.value == self.value(number)
            assert young or whole

    @invariant()
    def what_is_shown_and_not_live_is_within_its_hard_lifetime(self) -> None:
        for key in KEYS:
            shown = self.memory.shown(key)
            if shown is not None and self.memory.fresh(key) is None:
                assert shown.stale
                assert abs(self.clock.now - shown.as_of) <= HARD_MS

    @invariant()
    def capacity_is_kept(self) -> None:
        assert len(self.memory.keys(MarketKind.TOP_OF_BOOK)) <= self.capacity


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=150, stateful_step_count=30)


@given(st.lists(st.sampled_from(["frame", "ask", "answer", "cut", "start"]), max_size=30))
@settings(max_examples=200)
def test_a_history_never_misses_a_trade_that_was_made_while_it_was_fresh(steps: list[str]) -> None:
    """Trades are numbered: a history shown as kept fresh by its topic ends with the last one."""
    clock = Clock()
    memory = memory_of(clock)
    made, live, asked = 0, False, None
    for step in steps:
        match step:
            case "frame":
                made += 1
                if live:
                    memory.receive(Update(TRADES_TOPIC, trade(made), clock.now))
            case "ask":
                asked = (history(*range(1, made + 1)), memory.mark())
            case "answer" if asked is not None:
                rest(memory, TRADES, *asked)
            case "cut":
                live = False
                memory.broken(None, clock.now)
            case "start":
                live = True
                memory.started(TRADES_TOPIC)
        clock.now += SOFT_MS
        snapshot = memory.fresh(TRADES)
        if snapshot is not None:
            assert live
            value = snapshot.value
            assert isinstance(value, TradeHistory)
            assert value == history(*range(1, made + 1))
