"""Subscriptions of every kind over a few dozen WebSockets; each must live to the end."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, TypeAlias

import aiohttp

from bench.soak_tally import SYMBOLS, Gateway, Tally
from gateway.cli.operations import operation

Subscription: TypeAlias = tuple[str, Mapping[str, object]]

_PER_SOCKET = 4
_PATIENCE_S = 20.0


def mixed_subscriptions(count: int, account: str) -> list[Subscription]:
    """Subscriptions of every kind in turn, each time to another market."""
    return [
        _kinds(SYMBOLS[number // 7 % len(SYMBOLS)], account)[number % 7] for number in range(count)
    ]


def _kinds(symbol: str, account: str) -> Sequence[Subscription]:
    return (
        ("watch-tickers", {}),
        ("watch-top-of-book", {"symbol": symbol}),
        ("watch-order-book", {"symbol": symbol, "depth": 10}),
        ("watch-candles", {"symbol": symbol, "interval": "M1"}),
        ("watch-trades", {"symbol": symbol}),
        ("watch-orders", {"account": account}),
        ("watch-balances", {"account": account}),
    )


class Audience:
    """A context in which all subscriptions are there; a problem for each that ends within."""

    def __init__(
        self, gateway: Gateway, subscriptions: Sequence[Subscription], tally: Tally
    ) -> None:
        self._gateway = gateway
        self._subscriptions = subscriptions
        self._tally = tally
        self._stack = AsyncExitStack()
        self._followers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                headers=self._gateway.headers, connector=aiohttp.TCPConnector(limit=0)
            )
        )
        for first in range(0, len(self._subscriptions), _PER_SOCKET):
            subscriptions = self._subscriptions[first : first + _PER_SOCKET]
            socket = await self._join(session, subscriptions)
            self._followers.append(asyncio.create_task(self._follow(socket, subscriptions)))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for follower in self._followers:
            follower.cancel()
        for ending in await asyncio.gather(*self._followers, return_exceptions=True):
            if isinstance(ending, Exception):
                self._tally.complain(f"a subscriber failed: {ending!r}")
        await self._stack.aclose()

    async def _join(
        self, session: aiohttp.ClientSession, subscriptions: Sequence[Subscription]
    ) -> aiohttp.ClientWebSocketResponse:
        socket = await session.ws_connect(
            f"{self._gateway.url}/graphql", protocols=("graphql-transport-ws",)
        )
        await socket.send_json({"type": "connection_init"})
        acknowledgement = await socket.receive_json(timeout=_PATIENCE_S)
        assert acknowledgement["type"] == "connection_ack", acknowledgement
        for number, (name, variables) in enumerate(subscriptions):
            payload = {"query": operation(name), "variables": variables}
            await socket.send_json({"type": "subscribe", "id": str(number), "payload": payload})
        return socket

    async def _follow(
        self, socket: aiohttp.ClientWebSocketResponse, subscriptions: Sequence[Subscription]
    ) -> None:
        async for message in socket:
            frame = json.loads(message.data)
            if frame["type"] == "ping":
                await socket.send_json({"type": "pong"})
            else:
                self._take(frame, subscriptions[int(frame["id"])][0])
        self._tally.complain(f"a socket was closed with {socket.close_code}")

    def _take(self, frame: Mapping[str, Any], name: str) -> None:
        if frame["type"] != "next" or "errors" in frame["payload"]:
            self._tally.complain(f"{name}: {frame}")
            return
        (event,) = frame["payload"]["data"].values()
        gap = event.get("__typename") == "Gap"
        self._tally.events[f"{name}, Gap" if gap else name] += 1
