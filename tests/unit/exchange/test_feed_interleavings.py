"""The feed's protocol in whatever order things happen."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.domain.streams import Broken, FeedEvent, Started, Topic, Update, Withheld
from tests.unit.exchange.feed_by_hand import (
    ACCOUNT,
    CROSSED_DEPTH,
    DATA,
    EMPTY_DEPTH,
    NAMES,
    TOPICS,
    UNREADABLE_TRADE,
    Bench,
    ack,
    listing,
)


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
