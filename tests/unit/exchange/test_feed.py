"""The feed over real sockets, against a small exchange that misbehaves on demand."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.http11 import Request, Response

from gateway.domain.streams import (
    Broken,
    FeedEvent,
    LoginRefused,
    Started,
    Topic,
    TopicKind,
    Update,
)
from gateway.exchange.feed import Ending
from gateway.exchange.feed_timing import FeedTiming
from gateway.exchange.stream_wire import Malformed
from tests.unit.exchange.feed_peers import (
    ACCOUNT,
    ALL,
    LOGIN,
    SIGNATURE,
    TICKER,
    TRADES,
    Exchange,
    Listener,
    babbling,
    cutting,
    deaf,
    dropping,
    listening,
    mute,
    obliging,
    params,
    refusing_once,
    until,
)

pytestmark = pytest.mark.anyio


async def test_a_wanted_topic_starts_and_tells_its_updates() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            assert isinstance(await listener.next(Started), Started)
            update = await listener.next(Update)
            assert isinstance(update, Update)
            assert update.topic == ALL
            assert feed.is_live(ALL)
            assert not feed.is_live(TICKER)
            assert (feed.state.connected, feed.state.topics, feed.epoch) == (True, 1, 1)
            assert feed.state.last_message_at is not None


async def test_wants_of_one_turn_go_out_in_one_request() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        async with listener.running() as feed:
            await until(lambda: feed.state.connected)
            for topic in (ALL, TICKER, TRADES):
                feed.want(topic)
            await until(lambda: feed.is_live(TRADES))
        assert [len(params(request)) for request in exchange.of("SUBSCRIBE")] == [3]


async def test_an_unwanted_topic_is_unsubscribed() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            await listener.next(Update)
            await asyncio.sleep(0.02)  # let the feed come to rest, so that only unwant wakes it
            feed.unwant(ALL)
            assert not feed.is_live(ALL)
            await until(lambda: exchange.of("UNSUBSCRIBE"))
            await until(lambda: feed.state.topics == 0)


async def test_a_cut_connection_is_told_and_everything_is_subscribed_again() -> None:
    async with listening(Exchange(cutting, obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            broken = await listener.next(Broken)
            assert isinstance(broken, Broken)
            assert broken.topics is None
            await listener.next(Started)
            assert feed.epoch == 2
        assert listener.ended[Ending.CLOSED] == 1
        assert len(exchange.of("SUBSCRIBE")) == 2


async def test_a_mute_connection_is_dropped_though_its_peer_never_closes() -> None:
    timing = FeedTiming(audit_every=0.05, mute_after=0.05, close_within=0.05)
    async with listening(Exchange(mute, obliging)) as exchange:
        listener = Listener(exchange.url, timing)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            await listener.next(Broken)
            await listener.next(Started)
            assert feed.epoch >= 2
        assert listener.ended[Ending.MUTE] >= 1


async def test_a_mute_connection_is_told_before_its_peer_agrees_to_close() -> None:
    timing = FeedTiming(audit_every=0.05, mute_after=0.05, close_within=600)
    async with listening(Exchange(mute)) as exchange:
        listener = Listener(exchange.url, timing)
        listener.feed.want(ALL)
        async with listener.running():
            await listener.next(Broken)
            exchange.over.set()


async def test_a_peer_that_reads_nothing_cannot_hold_the_feed() -> None:
    timing = FeedTiming(mute_after=0.05, close_within=0.05)
    async with listening(Exchange(deaf)) as exchange:
        listener = Listener(exchange.url, timing)
        for number in range(20_000):
            listener.feed.want(Topic(TopicKind.TRADES, f"{number:0600}"))
        async with listener.running():
            await until(lambda: listener.ended[Ending.MUTE])


async def test_an_audited_connection_that_replies_stays_up() -> None:
    timing = FeedTiming(audit_every=0.01)
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url, timing)
        async with listener.running() as feed:
            await until(lambda: len(exchange.of("LIST_SUBSCRIPTIONS")) >= 3)
            assert feed.epoch == 1


async def test_a_connection_that_is_asked_answers_and_a_mute_one_does_not() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            await listener.next(Started)
            assert await feed.confirm(within_s=20)
            assert await feed.confirm(within_s=20)
            assert len(exchange.of("LIST_SUBSCRIPTIONS")) == 2
    async with listening(Exchange(mute)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            assert not await feed.confirm(within_s=0.1)


async def test_a_handshake_that_succeeds_and_drops_does_not_reset_the_backoff() -> None:
    async with listening(Exchange(dropping)) as exchange:
        listener = Listener(exchange.url)
        async with listener.running():
            await until(lambda: len(listener.pauses) >= 8)
        assert listener.pauses[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


async def test_a_connection_that_stayed_up_starts_the_backoff_anew() -> None:
    async with listening(Exchange(dropping, dropping, cutting, dropping)) as exchange:
        listener = Listener(exchange.url)
        async with listener.running() as feed:
            await until(lambda: feed.epoch == 3 and feed.state.connected)
            listener.ahead = FeedTiming().stayed_up_after
            feed.want(ALL)
            await until(lambda: len(listener.pauses) >= 4)
        assert listener.pauses[:4] == [0.5, 1.0, 0.5, 1.0]


async def test_an_unreachable_exchange_is_tried_again_with_backoff() -> None:
    async with listening(Exchange(obliging)) as exchange:
        url = exchange.url
    listener = Listener(url)
    async with listener.running() as feed:
        await until(lambda: len(listener.pauses) >= 3)
        assert feed.epoch == 0
    assert listener.pauses[:3] == [0.5, 1.0, 2.0]
    assert listener.ended[Ending.UNREACHABLE] >= 3


async def test_a_failed_subscription_is_counted_and_asked_for_again() -> None:
    async with listening(Exchange(refusing_once)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running():
            await listener.next(Started)
        assert listener.refused == {TopicKind.ALL_TICKERS: 1}


async def test_a_login_counts_as_refused_until_one_succeeds() -> None:
    timing = FeedTiming(login_retry_base=0.2, close_within=0.2)
    async with listening(Exchange(refusing_once)) as exchange:
        listener = Listener(exchange.url, timing)
        listener.feed.want(ACCOUNT)
        assert not listener.feed.login_refused
        async with listener.running() as feed:
            await until(lambda: feed.login_refused)
            await listener.next(Started)
            assert not feed.login_refused
        assert listener.refused == {TopicKind.ACCOUNT: 1}


async def test_garbage_is_counted_and_leaves_a_gap_and_the_connection_goes_on() -> None:
    async with listening(Exchange(babbling)) as exchange:
        listener = Listener(exchange.url, FeedTiming(restart_every=0.0, close_within=0.2))
        listener.feed.want(ALL)
        async with listener.running() as feed:
            await listener.next(Broken)
            await listener.next(Update)
            assert feed.epoch == 1
        assert listener.malformed == {
            Malformed.BINARY: 1,
            Malformed.NOT_AN_OBJECT: 1,
            Malformed.UNKNOWN_KIND: 1,
            Malformed.WRONG_SHAPE: 1,
        }


async def test_a_handler_that_raises_does_not_end_the_feed() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        heard: list[FeedEvent] = []

        def on_event(event: FeedEvent) -> None:
            heard.append(event)
            if len(heard) == 1:
                raise RuntimeError

        async with listener.running(on_event):
            await until(lambda: len(heard) == 2)
        assert isinstance(heard[1], Update)
        assert listener.failed == {"Started": 1}


async def test_a_stopped_feed_closes_with_1000_and_tells_that_its_topics_are_broken() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ALL)
        async with listener.running() as feed:
            await listener.next(Started)
        assert isinstance(await listener.next(Broken), Broken)
        assert not feed.state.connected
        await until(lambda: exchange.close_codes)
        assert exchange.close_codes == [1000]


async def test_a_feed_for_wanted_topics_only_connects_and_leaves_with_them() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url, only_while_wanted=True)
        async with listener.running() as feed:
            await asyncio.sleep(0.01)
            assert feed.epoch == 0
            feed.want(ACCOUNT)
            await listener.next(Started)
            feed.unwant(ACCOUNT)
            await until(lambda: exchange.close_codes == [1000])
            feed.want(ACCOUNT)
            await listener.next(Started)
            assert feed.epoch == 2
        assert listener.pauses == []


async def test_a_renewed_feed_connects_again_at_once_and_logs_in_anew() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url, only_while_wanted=True)
        async with listener.running() as feed:
            feed.renew()
            feed.want(ACCOUNT)
            await listener.next(Started)
            assert feed.epoch == 1
            feed.renew()
            assert isinstance(await listener.next(Broken), Broken)
            await listener.next(Started)
            assert feed.epoch == 2
        assert len(exchange.of("USER_STREAMS")) == 2
        assert listener.ended[Ending.RENEWED] == 1
        assert listener.pauses == []


async def test_after_a_refused_login_another_key_logs_in_at_once_and_one_time() -> None:
    hours = FeedTiming(login_retry_base=7_200, login_retry_cap=7_200, close_within=0.2)
    async with listening(Exchange(refusing_once, obliging)) as exchange:
        listener = Listener(exchange.url, hours)
        async with listener.running() as feed:
            feed.want(ACCOUNT)
            await listener.next(LoginRefused)
            feed.renew()
            await listener.next(Started)
            assert not feed.login_refused
        assert feed.epoch == 2
        assert len(exchange.of("USER_STREAMS")) == 2


async def test_between_connections_another_key_may_log_in_too() -> None:
    hours = FeedTiming(login_retry_base=7_200, login_retry_cap=7_200, close_within=0.2)
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url, hours, only_while_wanted=True, logins=(None, LOGIN))
        async with listener.running() as feed:
            feed.want(ACCOUNT)
            await listener.next(LoginRefused)
            feed.unwant(ACCOUNT)
            await until(lambda: listener.ended[Ending.IDLE])
            feed.renew()
            assert not feed.login_refused
            feed.want(ACCOUNT)
            await listener.next(Started)


async def test_a_login_without_a_key_is_refused_before_it_is_sent_and_tried_again() -> None:
    async with listening(Exchange(obliging)) as exchange:
        listener = Listener(exchange.url, only_while_wanted=True, logins=(None, LOGIN))
        async with listener.running() as feed:
            feed.want(ACCOUNT)
            await listener.next(LoginRefused)
            assert feed.login_refused
            await listener.next(Started)
            assert not feed.login_refused
        assert len(exchange.of("USER_STREAMS")) == 1


async def test_an_end_that_nobody_wanted_is_a_warning_and_each_line_names_the_feed() -> None:
    with capture_logs() as lines:
        async with listening(Exchange(cutting, obliging)) as exchange:
            listener = Listener(exchange.url, only_while_wanted=True)
            async with listener.running() as feed:
                feed.want(ACCOUNT)
                await listener.next(Started)
                await listener.next(Started)
                feed.unwant(ACCOUNT)
                await until(lambda: listener.ended[Ending.IDLE])
    ends = [(line["ending"], line["log_level"]) for line in lines if line["event"] == "feed.ended"]
    assert ends == [("CLOSED", "warning"), ("IDLE", "info")]
    assert {line["feed"] for line in lines} == {"public"}


async def test_no_login_frame_reaches_a_log_at_debug(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "websockets.client")
    async with listening(Exchange(cutting, obliging)) as exchange:
        listener = Listener(exchange.url)
        listener.feed.want(ACCOUNT)
        async with listener.running():
            await listener.next(Started)
            await listener.next(Started)
    written = capsys.readouterr()
    logs = caplog.text + written.out + written.err
    assert "feed.connected" in logs
    # The library writes frames with their middle cut out: look for what it would leave.
    assert "USER_STREAMS" not in logs
    assert SIGNATURE[:6] not in logs
    assert SIGNATURE[-6:] not in logs
    assert len(exchange.of("USER_STREAMS")) == 2


def redirecting(location: str) -> Callable[[ServerConnection, Request], Response]:
    def process_request(socket: ServerConnection, request: Request) -> Response:
        headers = Headers({"Location": location, "Content-Length": "0"})
        return Response(HTTPStatus.FOUND, "Found", headers)

    return process_request


async def test_a_redirect_to_another_host_is_not_followed() -> None:
    async with (
        listening(Exchange(obliging)) as elsewhere,
        listening(Exchange(obliging), redirecting(elsewhere.url)) as exchange,
    ):
        listener = Listener(exchange.url)
        listener.feed.want(ACCOUNT)
        async with listener.running() as feed:
            await until(lambda: listener.ended[Ending.UNREACHABLE])
            assert feed.epoch == 0
    assert elsewhere.requests == []


async def test_a_redirect_to_a_web_page_does_not_end_the_feed() -> None:
    page = redirecting("https://www.narkasa.com/maintenance")
    async with listening(Exchange(obliging), page) as exchange:
        listener = Listener(exchange.url)
        async with listener.running():
            await until(lambda: listener.ended[Ending.UNREACHABLE] >= 2)


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidURI):
        Listener("https://api.narkasa.com/v3")
