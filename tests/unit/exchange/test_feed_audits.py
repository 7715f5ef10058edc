"""The feed's protocol asks what it is subscribed to, and believes the answer."""

import json

import pytest

from gateway.domain.streams import Broken, Topic
from gateway.exchange.feed_timing import FeedTiming
from tests.unit.exchange.feed_by_hand import (
    ACCOUNT,
    ALL,
    BOOK,
    DATA,
    NAMES,
    TRADES,
    Bench,
    ack,
    listing,
)


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


def test_an_audit_that_is_asked_for_is_sent_once_the_one_before_is_answered() -> None:
    bench = audited(ALL)
    asked = bench.at.monotonic + 1
    bench.protocol.audit_soon()
    bench.after(1)
    assert bench.sent() == []
    bench.receive(listing(ALL))
    assert not bench.protocol.audited_since(asked)
    bench.after(1)
    assert bench.sent() == [{"method": "LIST_SUBSCRIPTIONS"}]
    assert not bench.protocol.audited_since(asked)
    bench.receive(listing(ALL))
    assert bench.protocol.audited_since(asked)


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


def test_an_audit_of_one_connection_does_not_make_the_next_one_mute() -> None:
    bench = audited(ALL)
    bench.protocol.disconnected("closed")
    bench.protocol.connected(bench.at)
    assert not bench.protocol.is_mute(bench.now + FeedTiming().mute_after)
