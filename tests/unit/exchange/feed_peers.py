"""Exchanges that play a script over a real WebSocket, and a feed that listens to one."""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.domain.key_errors import NoKey
from gateway.domain.streams import (
    FeedEvent,
    Topic,
    TopicKind,
)
from gateway.exchange.feed import Ending, Feed, FeedCounters
from gateway.exchange.feed_timing import FeedTiming
from gateway.exchange.stream_wire import Malformed

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
