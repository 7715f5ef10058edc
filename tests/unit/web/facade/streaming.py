"""The facade's stream connections over real sockets: a server, and clients of the exchange."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.access.policy import Action, Policy
from gateway.domain.streams import Topic, TopicKind
from gateway.services.account_stream import ACCOUNT
from gateway.services.streams import ALL_TICKERS
from gateway.web.facade.connection import ConnectionLimits
from gateway.web.facade.sockets import FacadeSockets
from gateway.web.open_sockets import OpenSockets, SocketPlaces
from tests.unit.services.examples import BTC, until
from tests.unit.web.facade.carried import signature_of
from tests.unit.web.facade.houses import PAIR, TRADER, House, Pair, granted, house_of

PAGE = "https://desk.example.com"
LIMITS = ConnectionLimits(init_s=20, outbox=100)
PLACES = SocketPlaces(allowed_origins=(PAGE,), most=10, most_waiting=10, most_of_principal=10)
READERS = granted(*TRADER, anonymous=(Action.MARKET_READ,))
"""Whoever comes may read market data."""

TRADES = Topic(TopicKind.TRADES, BTC)
DEPTH = Topic(TopicKind.ORDER_BOOK, BTC)
ALL = {"type": "allTickers"}
TRADE = {"type": "trade", "symbol": BTC}
BOOK = {"type": "depth", "symbol": BTC}


def done(method: str, **members: object) -> dict[str, Any]:
    return {"method": method, "status": "success", **members}


def not_done(message: str, method: str | None = None) -> dict[str, Any]:
    return {**({"method": method} if method else {}), "status": "failed", "message": message}


class Client:
    """A client of the exchange's streams."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next frame; money as the digits that stand in it."""
        frame: dict[str, Any] = json.loads(
            await self.connection.recv(), parse_float=Decimal, parse_int=Decimal
        )
        return frame

    async def ask(self, method: str, *params: object, **members: object) -> dict[str, Any]:
        """The reply to a command; of several params, that to the first."""
        await self.send(method=method, **({"params": params} if params else {}), **members)
        return await self.hear()

    async def subscribe(self, *names: dict[str, str]) -> None:
        await self.send(method="SUBSCRIBE", params=names)
        for name in names:
            assert await self.hear() == done("SUBSCRIBE", **name)

    async def log_in(self, pair: Pair = PAIR, /, **changed: object) -> dict[str, Any]:
        await self.send_login(pair, **changed)
        return await self.hear()

    async def send_login(self, pair: Pair = PAIR, /, **changed: object) -> None:
        signature = signature_of(pair.api_key.encode(), pair.api_secret)
        login = {"apiKey": pair.api_key, "signature": signature, **changed}
        await self.send(method="USER_STREAMS", **login)

    async def hears_nothing(self) -> None:
        """Nothing has come before the answer to a question that is asked now."""
        assert (await self.ask("LIST_SUBSCRIPTIONS"))["method"] == "LIST_SUBSCRIPTIONS"

    async def closed(self) -> int | None:
        """The code with which the gateway closes, past what came before it."""
        with suppress(ConnectionClosed):
            while True:
                await self.connection.recv()
        frame = self.connection.protocol.close_rcvd
        return None if frame is None else int(frame.code)


@dataclass
class StreamHouse:
    """The facade's sockets behind a server."""

    house: House
    opened: OpenSockets
    port: int

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[Client]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"ws://127.0.0.1:{self.port}/v3"
        async with connect(url, additional_headers=given, proxy=None, compression=None) as opened:
            yield Client(opened)

    def begin(self, *topics: Topic) -> None:
        """Let the exchange tell of these from now on."""
        for topic in topics:
            if topic == ACCOUNT:
                self.house.desk.account_feed.start(topic)
            else:
                self.house.desk.feed.start(topic)

    def tell(self, topic: Topic, *values: object) -> None:
        for value in values:
            feed = self.house.desk.account_feed if topic == ACCOUNT else self.house.desk.feed
            feed.tell(topic, value)

    async def has(self, count: int) -> None:
        """Wait until so many connections are open, as the metrics tell it."""
        value = self.house.desk.metrics.registry.get_sample_value
        await until(lambda: value("gateway_facade_sockets") == count)

    def told(self) -> float | None:
        """How many subscriptions are open, as the metrics tell it."""
        return self.house.desk.metrics.registry.get_sample_value("gateway_facade_subscriptions")


class _GuestServer(uvicorn.Server):
    """A server inside a test, whose signals are not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def streams_of(
    url: str,
    policy: Policy | None = READERS,
    *,
    live: tuple[Topic, ...] = (ALL_TICKERS, TRADES),
    limits: ConnectionLimits = LIMITS,
    **places: Any,  # noqa: ANN401
) -> AsyncIterator[StreamHouse]:
    """Serve, with some topics live already; `places` are those that differ from `PLACES`."""
    async with house_of(url, policy, journal=False) as house:
        opened = OpenSockets(replace(PLACES, **places))
        async with _served(FacadeSockets(house.parts, limits, opened)) as port:
            streams = StreamHouse(house, opened, port)
            streams.begin(*live)
            yield streams
            await opened.drain(house.stop)


@asynccontextmanager
async def _served(sockets: FacadeSockets) -> AsyncIterator[int]:
    application = Starlette(routes=[WebSocketRoute("/v3", sockets.serve)])
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        ws="websockets-sansio",
        ws_max_size=65_536,
        ws_per_message_deflate=False,
    )
    server = _GuestServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()
