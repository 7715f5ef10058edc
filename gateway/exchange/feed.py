"""One WebSocket connection to the exchange, kept up: the I/O around `FeedProtocol`.

Heading 'Websocket Data Streams'.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.uri import parse_uri

from gateway.domain.signing import LoginFrame
from gateway.domain.streams import FeedEvent, FeedState, Started, Topic, TopicKind
from gateway.exchange.feed_protocol import FeedProtocol
from gateway.exchange.feed_timing import FeedTiming, Instant, full_jitter
from gateway.exchange.stream_wire import Malformed

_MAX_MESSAGE = 4 << 20
"""Bytes that one message may take in memory; a longer one ends the connection (code 1009)."""

_log = structlog.stdlib.get_logger(__name__)


class Ending(StrEnum):
    """Why a connection ended, or none came about: a closed set, fit for a metric's label."""

    UNREACHABLE = "UNREACHABLE"
    CLOSED = "CLOSED"
    MUTE = "MUTE"
    IDLE = "IDLE"
    RENEWED = "RENEWED"
    STOPPED = "STOPPED"


def _ignore(_: object) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounters:
    """What is called once for each event that is worth a number; each argument's set is closed.

    `malformed`: a frame was withheld. `refused`: a request failed or stayed unanswered; ACCOUNT is
    a failed login. `ended`: a connection ended or none came about. `handler_failed`: the handler
    raised on an event of this class.
    """

    malformed: Callable[[Malformed], None] = _ignore
    refused: Callable[[TopicKind], None] = _ignore
    ended: Callable[[Ending], None] = _ignore
    handler_failed: Callable[[str], None] = _ignore


class _NoFrames(logging.LoggerAdapter[logging.Logger]):
    """Passes on what the websockets library logs, but DEBUG: there it writes whole frames.

    A login frame is a permanent credential, so no logging configuration may turn this on.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is logging's
        return level > logging.DEBUG and super().isEnabledFor(level)


class Feed:
    """Tells the events of the wanted topics, over as many connections as it takes.

    `name` is what log lines call it. `wall_ms` and `monotonic` (seconds) are the clocks, `sleep`
    waits between two attempts. With `only_while_wanted` there is a connection only while a topic is
    wanted. All methods are called from the event loop that `run` runs in, or before it runs.
    Raises websockets' InvalidURI.
    """

    def __init__(  # noqa: PLR0913 - the clocks, chance and sleep are handed in one by one
        self,
        url: str,
        *,
        name: str,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float],
        rng: random.Random,
        timing: FeedTiming,
        login: LoginFrame | None = None,
        only_while_wanted: bool = False,
        counters: FeedCounters | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._address = parse_uri(url)
        self._log = _log.bind(feed=name)
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._rng = rng
        self._timing = timing
        self._only_while_wanted = only_while_wanted
        self._counters = counters or FeedCounters()
        self._sleep = sleep
        self._protocol = FeedProtocol(
            timing=timing,
            rng=rng,
            on_malformed=self._counters.malformed,
            on_refused=self._refused,
            login=login,
        )
        self._changed = asyncio.Event()
        self._confirming: set[asyncio.Event] = set()
        self._epoch = 0
        self._connected = False
        self._login_refused = False
        self._renewal_wanted = False
        self._since: int | None = None
        self._last_message_at: int | None = None

    @property
    def epoch(self) -> int:
        """How many connections there have been."""
        return self._epoch

    @property
    def state(self) -> FeedState:
        """How the feed is doing; `since` is when it was connected, or lost."""
        return FeedState(
            connected=self._connected,
            since=self._since,
            topics=len(self._protocol.confirmed),
            last_message_at=self._last_message_at,
        )

    @property
    def login_refused(self) -> bool:
        """True from a login that failed or stayed unanswered until one succeeds."""
        return self._login_refused

    def is_live(self, topic: Topic) -> bool:
        """True while updates of `topic` arrive: confirmed, and the connection is not mute."""
        return self._protocol.is_started(topic) and not self._protocol.is_mute(self._monotonic())

    def want(self, topic: Topic) -> None:
        """Ask for `topic`: a `Started` follows, unless it was wanted already.

        Raise ValueError for the account's stream on a feed without a login.
        """
        self._protocol.want(topic)
        self._changed.set()

    def unwant(self, topic: Topic) -> None:
        """Ask for `topic` no longer: its updates end now."""
        self._protocol.unwant(topic)
        self._changed.set()

    def renew(self) -> None:
        """Connect anew, at once: another key is to log in. Without a connection it only may."""
        self._renewal_wanted = self._connected
        if not self._connected:
            self._forgive_login()
        self._changed.set()

    async def confirm(self, within_s: float) -> bool:
        """Ask the exchange for an answer on this connection; return whether it came in the time.

        Then all that it had sent before was told, and the connection was not a dead one.
        """
        asked, heard = self._monotonic(), asyncio.Event()
        self._confirming.add(heard)
        self._protocol.audit_soon()
        self._changed.set()
        try:
            async with asyncio.timeout(within_s):
                while not self._protocol.audited_since(asked):
                    heard.clear()
                    await heard.wait()
        except TimeoutError:
            return False
        finally:
            self._confirming.discard(heard)
        return True

    async def run(self, on_event: Callable[[FeedEvent], None]) -> None:
        """Keep the connection up until cancelled, and hand each event to `on_event` as it comes.

        `on_event` must not block. What it raises is logged and counted, and the feed goes on. When
        cancelled, it closes the connection with code 1000, within `close_within`.
        """
        failures = 0
        while True:
            await self._needed()
            began = self._monotonic()
            ending = await self._connection(on_event)
            self._counters.ended(ending)
            if self._monotonic() - began >= self._timing.stayed_up_after:
                failures = 0
            if ending not in (Ending.IDLE, Ending.RENEWED):
                failures += 1
                await self._sleep(self._backoff(failures))

    def _backoff(self, failures: int) -> float:
        base, cap = self._timing.backoff_base, self._timing.backoff_cap
        return full_jitter(self._rng, base, cap, failures)

    async def _needed(self) -> None:
        while self._idle():
            self._changed.clear()
            await self._changed.wait()

    def _idle(self) -> bool:
        return self._only_while_wanted and not self._protocol.wanted

    async def _connection(self, on_event: Callable[[FeedEvent], None]) -> Ending:
        try:
            socket = await self._open()
        except (OSError, WebSocketException, ValueError) as fault:
            self._log.warning("feed.unreachable", cause=type(fault).__name__)
            return Ending.UNREACHABLE
        self._up(on_event)
        ending = Ending.STOPPED
        try:
            ending = await self._session(socket, on_event)
        finally:
            self._down(ending, on_event)
            await self._close(socket)
        return ending

    async def _open(self) -> ClientConnection:
        return await connect(
            self._url,
            # Named here, these make the library refuse redirects to other hosts: the next frame
            # may be a credential.
            host=self._address.host,
            port=self._address.port,
            proxy=None,
            compression=None,
            open_timeout=self._timing.connect_timeout,
            close_timeout=self._timing.close_within,
            # Liveness is the protocol's matter: one way to tell a mute connection, not two.
            ping_interval=None,
            max_size=_MAX_MESSAGE,
            logger=_NoFrames(logging.getLogger("websockets.client"), {}),
        )

    def _now(self) -> Instant:
        return Instant(self._monotonic(), self._wall_ms())

    def _up(self, on_event: Callable[[FeedEvent], None]) -> None:
        at = self._now()
        if self._renewal_wanted:
            self._forgive_login()
        self._renewal_wanted = False
        self._epoch += 1
        self._connected, self._since = True, at.wall
        self._tell(self._protocol.connected(at), on_event)
        self._log.info("feed.connected", epoch=self._epoch)

    def _down(self, ending: Ending, on_event: Callable[[FeedEvent], None]) -> None:
        self._connected, self._since = False, self._wall_ms()
        self._tell(self._protocol.disconnected(f"connection ended: {ending.lower()}"), on_event)
        wanted = ending in (Ending.IDLE, Ending.RENEWED, Ending.STOPPED)
        level = logging.INFO if wanted else logging.WARNING
        self._log.log(level, "feed.ended", epoch=self._epoch, ending=ending.value)

    async def _session(
        self, socket: ClientConnection, on_event: Callable[[FeedEvent], None]
    ) -> Ending:
        reader = asyncio.create_task(self._read(socket, on_event))
        writer = asyncio.create_task(self._write(socket, on_event))
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            return (writer if writer in done else reader).result()
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(
        self, socket: ClientConnection, on_event: Callable[[FeedEvent], None]
    ) -> Ending:
        with suppress(ConnectionClosed):
            while True:
                message = await socket.recv()
                at = self._now()
                self._last_message_at = at.wall
                self._tell(self._protocol.receive(message, at), on_event)
                for heard in self._confirming:
                    heard.set()
                if self._protocol.needs_tick:
                    self._changed.set()
        return Ending.CLOSED

    async def _write(
        self, socket: ClientConnection, on_event: Callable[[FeedEvent], None]
    ) -> Ending:
        try:
            while True:
                self._changed.clear()
                at = self._now()
                self._tell(self._protocol.tick(at), on_event)
                if self._protocol.is_mute(at.monotonic):
                    return Ending.MUTE
                if self._idle():
                    return Ending.IDLE
                if self._renewal_wanted:
                    return Ending.RENEWED
                await self._send(socket)
                await self._next_turn()
        except ConnectionClosed:
            return Ending.CLOSED
        except TimeoutError:
            return Ending.MUTE

    async def _send(self, socket: ClientConnection) -> None:
        """Send what the protocol wants; a peer that reads nothing for so long is mute."""
        async with asyncio.timeout(self._timing.mute_after):
            for frame in self._protocol.take_frames():
                await socket.send(frame)

    async def _next_turn(self) -> None:
        """Wait for a change, or until the protocol has something to do."""
        delay = self._protocol.next_deadline() - self._monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, delay)):
                await self._changed.wait()

    def _forgive_login(self) -> None:
        self._login_refused = False
        self._protocol.forgive_login()

    def _refused(self, kind: TopicKind) -> None:
        self._login_refused = self._login_refused or kind is TopicKind.ACCOUNT
        self._counters.refused(kind)

    def _tell(self, events: list[FeedEvent], on_event: Callable[[FeedEvent], None]) -> None:
        for event in events:
            if isinstance(event, Started) and event.topic.kind is TopicKind.ACCOUNT:
                self._login_refused = False
            try:
                on_event(event)
            except Exception:  # noqa: BLE001 - the handler is foreign; its fault must not end the feed
                self._log.exception("feed.handler_failed", event_class=_class(event))
                self._counters.handler_failed(_class(event))

    async def _close(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(self._timing.close_within):
                await socket.close()
        except TimeoutError:
            socket.transport.abort()


def _class(event: FeedEvent) -> str:
    return type(event).__name__
