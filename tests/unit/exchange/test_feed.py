"""The feed over real sockets, against a small exchange that misbehaves on demand."""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidURI
from websockets.http11 import Request, Response

from gateway.domain.errors import NoKey
from gateway.domain.streams import (
    Broken,
    FeedEvent,
    LoginRefused,
    Started,
    Topic,
    TopicKind,
    Update,
)
from gateway.exchange.feed import Ending, Feed, FeedCounters
from gateway.exchange.feed_timing import FeedTiming
from gateway.exchange.stream_wire import Malformed

pytestmark = pytest.mark.anyio

SIGNATURE = "d36256b4002dc7d604e739651ef8506e0fbdc9c03dffe17124f32e0c8e63ff02"
LOGIN = json.dumps({"method": "USER_STREAMS", "signature": SIGNATURE, "apiKey": "Y0AhbfGmVA8F"})
ALL = Topic(TopicKind.ALL_TICKERS)
TICKER = Topic(TopicKind.TICKER, "BTCTRY")
TRADES = Topic(TopicKind.TRADES, "BTCTRY")
ACCOUNT = Topic(TopicKind.ACCOUNT)
TICK = '{"type":"allTickers","symbol":"BTCTRY","last":54501}'

Script = Callable[["Exchange", ServerConnection], Awaitable[None]]


class Exchange:
    """Plays one script for each connection, the last one for ever; keeps what it was sent."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.requests: list[dict[str, object]] = []
        self.close_codes: list[int | None] = []
        self.port = 0
        self.over = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v3"

    async def serve_one(self, socket: ServerConnection) -> None:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        with suppress(ConnectionClosed):
            await script(self, socket)
        await socket.wait_closed()
        self.close_codes.append(socket.close_code)

    async def next_request(self, socket: ServerConnection) -> dict[str, object]:
        request: dict[str, object] = json.loads(await socket.recv())
        self.requests.append(request)
        return request

    def of(self, method: str) -> list[dict[str, object]]:
        return [request for request in self.requests if request["method"] == method]


@asynccontextmanager
async def listening(
    exchange: Exchange,
    process_request: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> AsyncIterator[Exchange]:
    # A logger that nothing configures: at DEBUG the server would log the client's frames itself.
    quiet = logging.Logger("quiet", logging.CRITICAL)  # noqa: LOG001
    async with serve(
        exchange.serve_one, "127.0.0.1", 0, process_request=process_request, logger=quiet
    ) as server:
        exchange.port = next(iter(server.sockets)).getsockname()[1]
        try:
            yield exchange
        finally:
            exchange.over.set()


def params(request: dict[str, object]) -> list[dict[str, str]]:
    found = request.get("params", [])
    assert isinstance(found, list)
    return found


async def answer(socket: ServerConnection, request: dict[str, object], status: str) -> None:
    method = request["method"]
    if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
        for name in params(request):
            await socket.send(json.dumps({"method": method, "status": status, **name}))
    else:
        await socket.send(json.dumps({"method": method, "status": status}))


async def obliging(exchange: Exchange, socket: ServerConnection) -> None:
    """Acknowledge everything, and tell a tick after each SUBSCRIBE."""
    while True:
        request = await exchange.next_request(socket)
        await answer(socket, request, "success")
        if request["method"] == "SUBSCRIBE":
            await socket.send(TICK)


async def refusing_once(exchange: Exchange, socket: ServerConnection) -> None:
    await answer(socket, await exchange.next_request(socket), "failed")
    await obliging(exchange, socket)


async def dropping(exchange: Exchange, socket: ServerConnection) -> None:
    """Let the handshake succeed, and go."""
    socket.transport.abort()


async def cutting(exchange: Exchange, socket: ServerConnection) -> None:
    """Acknowledge one request, tell a tick, and end with an error."""
    await answer(socket, await exchange.next_request(socket), "success")
    await socket.send(TICK)
    await socket.close(1011)


async def mute(exchange: Exchange, socket: ServerConnection) -> None:
    """Acknowledge one request, then neither read nor write again."""
    await answer(socket, await exchange.next_request(socket), "success")
    socket.transport.pause_reading()
    await exchange.over.wait()
    socket.transport.abort()


async def deaf(exchange: Exchange, socket: ServerConnection) -> None:
    """Never read."""
    socket.transport.pause_reading()
    await exchange.over.wait()
    socket.transport.abort()


async def babbling(exchange: Exchange, socket: ServerConnection) -> None:
    await answer(socket, await exchange.next_request(socket), "success")
    for frame in (b"\x00", "<html>", '{"type":"news"}', '{"type":"allTickers"}', TICK):
        await socket.send(frame)
    await obliging(exchange, socket)


class Longest(random.Random):
    """Chance that always picks the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Listener:
    """A feed with what it told, counted and waited for."""

    def __init__(
        self,
        url: str,
        timing: FeedTiming | None = None,
        *,
        only_while_wanted: bool = False,
        logins: Sequence[str | None] = (LOGIN,),
    ) -> None:
        self._logins = list(logins)
        self.events: asyncio.Queue[FeedEvent] = asyncio.Queue()
        self.malformed: Counter[Malformed] = Counter()
        self.refused: Counter[TopicKind] = Counter()
        self.ended: Counter[Ending] = Counter()
        self.failed: Counter[str] = Counter()
        self.pauses: list[float] = []
        self.ahead = 0.0
        self.feed = Feed(
            url,
            name="public",
            wall_ms=lambda: int(time.time() * 1000),
            monotonic=lambda: time.monotonic() + self.ahead,
            rng=Longest(),
            timing=timing or FeedTiming(retry_base=0.0, close_within=0.2),
            login=self.login,
            only_while_wanted=only_while_wanted,
            counters=FeedCounters(
                malformed=lambda reason: self.malformed.update([reason]),
                refused=lambda kind: self.refused.update([kind]),
                ended=lambda ending: self.ended.update([ending]),
                handler_failed=lambda name: self.failed.update([name]),
            ),
            sleep=self.pause,
        )

    def login(self) -> str:
        """The logins in turn, the last one again and again; None: there is no key."""
        frame = self._logins.pop(0) if len(self._logins) > 1 else self._logins[0]
        if frame is None:
            raise NoKey("demo", "read")
        return frame

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.001)

    async def next(self, kind: type[FeedEvent]) -> FeedEvent:
        """The next event of this class; those before it are passed over."""
        while True:
            event = await self.events.get()
            if isinstance(event, kind):
                return event

    @asynccontextmanager
    async def running(
        self, on_event: Callable[[FeedEvent], None] | None = None
    ) -> AsyncIterator[Feed]:
        task = asyncio.create_task(self.feed.run(on_event or self.events.put_nowait))
        try:
            yield self.feed
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the peer has no event to wait for
        await asyncio.sleep(0.002)


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
