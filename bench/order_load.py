"""The same limit order through the gateway and directly, in turns."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import uvloop

from bench.measured import Measured, Target
from bench.operations import PLACE_LIMIT
from bench.process_time import cpu_seconds
from bench.trader import Trader
from gateway.cli.dev.workspace import ACCOUNT, KeyPair

# A market that no stream follows, so that the frames it causes are on nobody's account.
_SYMBOL, _PRICE, _QUANTITY = "ETHUSDT", "1000", "0.02"
_WARM_UP = 10


def load(
    target: Target, exchange_url: str, outsider: KeyPair, count: int
) -> tuple[Measured, Measured]:
    """Place `count` orders each way, one at a time; return through the gateway, and directly.

    CPU time is the gateway's; the exchange's own is the same both ways.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(target, exchange_url, outsider, count))


async def _load(
    target: Target, exchange_url: str, outsider: KeyPair, count: int
) -> tuple[Measured, Measured]:
    headers = {"Authorization": f"Bearer {target.token}"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}", headers=headers) as app,
        httpx.AsyncClient(base_url=exchange_url) as http,
    ):
        trader = Trader(http, outsider.api_key, outsider.api_secret)
        ids = iter(range(count + _WARM_UP))

        async def through() -> None:
            await _place_through(app, f"bench-{next(ids)}")

        async def directly() -> None:
            await trader.place("buy", _SYMBOL, _PRICE, _QUANTITY)

        await _in_turns(through, directly, _WARM_UP)
        cpu = cpu_seconds(target.pid)
        gateway, direct = await _in_turns(through, directly, count)
        cpu = cpu_seconds(target.pid) - cpu
    return Measured(gateway, sum(gateway), cpu), Measured(direct, sum(direct))


async def _in_turns(
    first: Callable[[], Awaitable[None]], second: Callable[[], Awaitable[None]], count: int
) -> tuple[list[float], list[float]]:
    latencies: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for place, taken in zip((first, second), latencies, strict=True):
            began = time.perf_counter()
            await place()
            taken.append(time.perf_counter() - began)
    return latencies


async def _place_through(app: httpx.AsyncClient, client_order_id: str) -> None:
    order = {"limit": {"price": _PRICE, "quantity": _QUANTITY}}
    command = {"account": ACCOUNT, "clientOrderId": client_order_id, "symbol": _SYMBOL}
    variables = {"input": {**command, "side": "BUY", "order": order}}
    reply = await app.post("/graphql", json={"query": PLACE_LIMIT, "variables": variables})
    body: dict[str, Any] = reply.json()
    assert body["data"]["placeOrder"]["__typename"] == "OrderAccepted", body
