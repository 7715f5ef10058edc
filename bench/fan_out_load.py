"""Hundreds of subscribers of one book, and an account that changes the book.

The next change is made when every subscriber has the last one: nothing queues, nothing is
conflated, and the pace is the most that the server sustains.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

import aiohttp
import httpx
import uvloop

from bench.measured import Measured, Target
from bench.operations import SYMBOL, WATCH_BOOK, shape
from bench.process_time import cpu_seconds
from bench.trader import Trader
from gateway.cli.dev.workspace import KeyPair

SUBSCRIBERS = 500
_SETTLE_S = 1.0
_AT_ONCE = 50
_PATIENCE_S = 30.0
_PRICE = "53990"  # a level of the book that the stage has filled


@dataclass(frozen=True, slots=True)
class FanOut:
    """`frames`: one latency for each frame delivered, from the order's sending.

    `events`: for each event the latency of the last subscriber. `shape`: of a frame's payload.
    """

    frames: Measured
    events: tuple[float, ...]
    shape: object


def load(target: Target, exchange_url: str, outsider: KeyPair, seconds: float) -> FanOut:
    """Follow the book with all subscribers, and change it for some time."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(target, exchange_url, outsider, seconds))


async def _load(target: Target, exchange_url: str, outsider: KeyPair, seconds: float) -> FanOut:
    async with AsyncExitStack() as stack:
        audience = await stack.enter_async_context(_Audience(target))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=exchange_url))
        trader = Trader(http, outsider.api_key, outsider.api_secret)
        await asyncio.sleep(_SETTLE_S)
        audience.unasked = 0  # the gateway tells the book once more when its stream has begun
        cpu, own_cpu, began = cpu_seconds(target.pid), time.process_time(), time.perf_counter()
        while time.perf_counter() < began + seconds:
            await _event_pair(audience, trader)
        measured = Measured(
            latencies=audience.latencies,
            elapsed=time.perf_counter() - began,
            server_cpu=cpu_seconds(target.pid) - cpu,
            client_cpu=time.process_time() - own_cpu,
        )
        await asyncio.sleep(_SETTLE_S)
        assert audience.unasked == 0, "a frame came that no event had caused"
        return FanOut(measured, tuple(audience.completions), shape(json.loads(audience.payload)))


async def _event_pair(audience: "_Audience", trader: Trader) -> None:
    """Place an order and cancel it: two changes of the book."""
    audience.expect()
    order_id = await trader.place("buy", SYMBOL, _PRICE, "0.002")
    await audience.complete()
    audience.expect()
    await trader.cancel(order_id)
    await audience.complete()


class _Audience:
    """All subscribers, each on a socket of its own; counts what reaches them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stack = AsyncExitStack()
        self._followers: list[asyncio.Task[None]] = []
        self._began = 0.0
        self._missing = 0
        self._everybody = asyncio.Event()
        self.unasked = 0
        self.latencies: list[float] = []
        self.completions: list[float] = []
        self.payload = ""

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._target.token}"}
        session = await self._stack.enter_async_context(
            aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
        )
        for _ in range(SUBSCRIBERS // _AT_ONCE):
            joining = (self._join(session) for _ in range(_AT_ONCE))
            self._followers += await asyncio.gather(*joining)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for follower in self._followers:
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        await self._stack.aclose()

    def expect(self) -> None:
        """From now on each subscriber awaits one frame."""
        self._missing = SUBSCRIBERS
        self._everybody.clear()
        self._began = time.perf_counter()

    async def complete(self) -> None:
        """Wait until every subscriber has his frame."""
        async with asyncio.timeout(_PATIENCE_S):
            await self._everybody.wait()

    async def _join(self, session: aiohttp.ClientSession) -> asyncio.Task[None]:
        socket = await session.ws_connect(
            f"ws://127.0.0.1:{self._target.port}/graphql", protocols=("graphql-transport-ws",)
        )
        await _send(socket, {"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        payload = {"query": WATCH_BOOK, "variables": {"symbol": SYMBOL}}
        await _send(socket, {"type": "subscribe", "id": "1", "payload": payload})
        first = await socket.receive_json()
        assert first["type"] == "next", first
        return asyncio.create_task(self._follow(socket))

    async def _follow(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self._arrived(message.data)

    def _arrived(self, text: str) -> None:
        if not self._missing:
            self.unasked += 1
            return
        latency = time.perf_counter() - self._began
        self.latencies.append(latency)
        self._missing -= 1
        if not self._missing:
            self.payload = text
            self.completions.append(latency)
            self._everybody.set()


async def _send(socket: aiohttp.ClientWebSocketResponse, message: Mapping[str, object]) -> None:
    await socket.send_str(json.dumps(message))
