"""The feed's protocol, driven by hand: no clock, no socket."""

import json

import pytest

from gateway.domain.market import Trade
from gateway.domain.streams import Broken, LoginRefused, Started, TopicKind, Update
from gateway.exchange.feed_timing import FeedTiming
from tests.unit.exchange.feed_by_hand import (
    ACCOUNT,
    ALL,
    CANDLES,
    DATA,
    LOGIN,
    NAMES,
    TICKER,
    TRADES,
    Bench,
    ack,
)


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


def test_a_refused_login_is_told_and_counted_and_waits_longer_than_a_topic() -> None:
    bench = Bench()
    bench.protocol.want(ACCOUNT)
    bench.protocol.connected(bench.at)
    bench.sent()
    refusal = '{"method":"USER_STREAMS","status":"failed","message":"Unauthorized Access"}'
    assert bench.receive(refusal) == [LoginRefused()]
    assert bench.receive(refusal) == []
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
