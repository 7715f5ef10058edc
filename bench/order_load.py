"""Equal limit orders through gateways and directly, in turns."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvloop

from bench.measured import Measured
from bench.operations import PLACE_LIMIT
from bench.order_stage import Desk
from bench.process_time import cpu_seconds
from bench.trader import Trader
from gateway.cli.dev.workspace import ACCOUNT, KeyPair

# A market that no stream follows, so that the frames it causes are on nobody's account.
_SYMBOL, _QUANTITY = "ETHUSDT", "0.02"
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to place an order, and to cancel it by its id behind the placer's back."""

    place: Callable[[str], Awaitable[str]]
    cancel: Callable[[str], Awaitable[None]]
    pid: int | None = None
    latencies: list[float] = field(default_factory=list)

    async def once(self, price: str) -> None:
        """Place and time one, and cancel it: nobody's open orders grow."""
        began = time.perf_counter()
        order_id = await self.place(price)
        self.latencies.append(time.perf_counter() - began)
        await self.cancel(order_id)


def load(
    desks: Mapping[str, Desk], exchange_url: str, outsider: KeyPair, count: int
) -> dict[str, Measured]:
    """Place `count` orders each way, one at a time; by the desks' names, and "direct".

    CPU time is the gateways'; the exchange's own is the same all ways.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(desks, exchange_url, outsider, count))


async def _load(
    desks: Mapping[str, Desk], exchange_url: str, outsider: KeyPair, count: int
) -> dict[str, Measured]:
    async with AsyncExitStack() as clients:
        http = await clients.enter_async_context(httpx.AsyncClient(base_url=exchange_url))
        ways = {name: await _through(clients, desk, http) for name, desk in desks.items()}
        ways["direct"] = _directly(Trader(http, outsider.api_key, outsider.api_secret))
        # No two orders under way are alike, or the gateway would keep one waiting.
        prices = (f"{1000 + cents / 100:.2f}" for cents in itertools.count())
        await _in_turns(ways, prices, _WARM_UP)
        before = {name: _cpu(way) for name, way in ways.items()}
        for way in ways.values():
            way.latencies.clear()
        await _in_turns(ways, prices, count)
        return {
            name: Measured(way.latencies, sum(way.latencies), _cpu(way) - before[name])
            for name, way in ways.items()
        }


async def _in_turns(ways: Mapping[str, _Way], prices: Iterator[str], count: int) -> None:
    for _ in range(count):
        for way in ways.values():
            await way.once(next(prices))


def _cpu(way: _Way) -> float:
    return 0 if way.pid is None else cpu_seconds(way.pid)


def _directly(trader: Trader) -> _Way:
    async def place(price: str) -> str:
        return await trader.place("buy", _SYMBOL, price, _QUANTITY)

    return _Way(place, trader.cancel)


async def _through(clients: AsyncExitStack, desk: Desk, http: httpx.AsyncClient) -> _Way:
    headers = {"Authorization": f"Bearer {desk.gateway.token}"}
    address = f"http://127.0.0.1:{desk.gateway.port}"
    app = await clients.enter_async_context(httpx.AsyncClient(base_url=address, headers=headers))
    numbers = itertools.count()

    async def place(price: str) -> str:
        return await _place_through(app, f"bench-{next(numbers)}", price)

    owner = Trader(http, desk.key.api_key, desk.key.api_secret)
    return _Way(place, owner.cancel, desk.gateway.pid)


async def _place_through(app: httpx.AsyncClient, client_order_id: str, price: str) -> str:
    order = {"limit": {"price": price, "quantity": _QUANTITY}}
    command = {"account": ACCOUNT, "clientOrderId": client_order_id, "symbol": _SYMBOL}
    variables = {"input": {**command, "side": "BUY", "order": order}}
    reply = await app.post("/graphql", json={"query": PLACE_LIMIT, "variables": variables})
    body: dict[str, Any] = reply.json()
    placed = body["data"]["placeOrder"]
    assert placed["__typename"] == "OrderAccepted", body
    order_id: str = placed["order"]["orderId"]
    return order_id
