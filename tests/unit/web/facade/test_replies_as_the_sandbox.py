"""What the sandbox tells, read as the exchange's and told on by the facade, is the same."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.domain.market import CandleInterval, Market, OrderSide
from gateway.domain.orders import OrderSpec, OrderType, PlaceOrder
from gateway.exchange import readers
from gateway.exchange.mapping import interval_name
from gateway.exchange.order_mapping import order_parameters, order_path
from gateway.sandbox import load_scenario, serve
from gateway.web.facade import replies, transfer_replies
from gateway.web.facade.requests import Body
from tests.unit.sandbox.clients import Json, Trader, exact_json, subscribe
from tests.unit.web.facade.written import frame_of, read_frame, written

pytestmark = pytest.mark.anyio

EXAMPLE = load_scenario(Path(__file__).parents[4] / "docs" / "examples" / "scenario.yaml")
# Nothing happens by itself but transfers, which stand complete at once.
SCENARIO = replace(EXAMPLE, port=0, market_maker=False, history=False, transfer_step_ms=0)
S = "BTCUSDT"
BTCUSDT = Market(S, "Bitcoin", "BTC", "USDT")
D = Decimal
LIMIT_BUY = PlaceOrder(
    "demo", "a-1", S, OrderSide.BUY, OrderSpec(price=D(53960), quantity=D("0.0009"))
)
STOP_LIMIT_BUY = OrderSpec(
    type=OrderType.STOP_LIMIT, stop_price=D(55000), price=D("55100.5"), quantity=D("0.1")
)
ORDERS = {
    "limit": LIMIT_BUY,
    "stop-limit": replace(LIMIT_BUY, spec=STOP_LIMIT_BUY),
    "market": replace(LIMIT_BUY, spec=OrderSpec(type=OrderType.MARKET, quantity=D("0.1"))),
    "fast buy": replace(LIMIT_BUY, spec=OrderSpec(type=OrderType.FAST, quote_total=D("100.25"))),
    "fast sell": replace(
        LIMIT_BUY,
        side=OrderSide.SELL,
        spec=OrderSpec(type=OrderType.FAST, quantity=D("0.2")),
    ),
}
WITHDRAWAL = {
    "symbol": "BTC",
    "amount": "0.5",
    "address": "bc1q0000000000000000000000000000000000000",
    "node": "BTC",
}


@dataclass(frozen=True)
class World:
    """A sandbox in which somebody rests on both sides of BTCUSDT."""

    http: httpx.AsyncClient
    demo: Trader
    stream_url: str

    async def told(self, method: str, path: str, **parameters: str) -> bytes:
        """The very bytes that the sandbox answers."""
        query = self.demo.query(parameters)
        reply = await self.http.request(
            method, f"/v3/api/{path}?{query}", headers=self.demo.headers
        )
        assert exact_json(reply.content)["code"] == "00000"
        return reply.content

    async def place(self, command: PlaceOrder) -> bytes:
        named = {name: str(value) for name, value in order_parameters(command)}
        return await self.told("POST", order_path(command), **named)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with (
        serve(SCENARIO) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as http,
    ):
        outsider = Trader(http, "outsider-key", "outsider-secret")
        await outsider.limit("sell", "53970", "1.5")
        await outsider.limit("buy", "53961.5", "2.25")
        url = f"{running.url.replace('http', 'ws', 1)}/v3"
        yield World(http, Trader(http, "demo-key", "demo-secret"), url)


def without_code(reply: bytes) -> Json:
    members = exact_json(reply)
    del members["code"]
    return members


def markets(reply: bytes) -> Body:
    listing, tickers = readers.read_markets(reply)
    return replies.markets(zip(listing.markets, tickers, strict=True))


OF_A_MARKET: dict[str, Callable[[bytes], Body]] = {
    "market/markets": markets,
    "market/24h": lambda reply: replies.statistics(readers.read_ticker(reply, S)),
    "market/info": lambda reply: replies.rules(readers.read_rules(reply, S), BTCUSDT),
    "market/orderbook": lambda reply: replies.top_of_book(readers.read_top_of_book(reply, S)),
    "market/depth": lambda reply: replies.depth(readers.read_order_book(reply, S)),
    "market/trades": lambda reply: replies.trades(readers.read_trades(reply, S)),
}
OF_THE_ACCOUNT: dict[str, Callable[[bytes], Body]] = {
    "market/user-orders": lambda reply: replies.open_orders(readers.read_orders(reply)),
    "market/user-trades": lambda reply: replies.user_trades(readers.read_fills(reply)),
    "balance/wallet": lambda reply: transfer_replies.wallet(readers.read_balances(reply)),
    "balance/currencies": lambda reply: transfer_replies.currencies(readers.read_currencies(reply)),
    "balance/deposit-history": lambda reply: transfer_replies.deposits(
        readers.read_deposits(reply)
    ),
    "balance/withdraw-history": lambda reply: transfer_replies.withdrawals(
        readers.read_withdrawals(reply)
    ),
}


async def test_every_order_is_told_on_as_the_sandbox_tells_it(world: World) -> None:
    for command in ORDERS.values():
        reply = await world.place(command)
        assert written(replies.placed_order(readers.read_placed(reply, command))) == without_code(
            reply
        )


async def test_a_cancelled_order_is_told_on_as_the_sandbox_tells_it(world: World) -> None:
    order_id = exact_json(await world.place(LIMIT_BUY))["order"]["orderId"]
    reply = await world.told("POST", "market/cancel-order", orderId=order_id)
    order = readers.read_cancelled(reply, order_id)
    assert order is not None
    assert written(replies.placed_order(order)) == without_code(reply)


async def test_every_reply_on_a_market_is_told_on_as_the_sandbox_tells_it(world: World) -> None:
    for command in ORDERS.values():
        await world.place(command)
    for path, told_on in OF_A_MARKET.items():
        reply = await world.told("GET", path, symbol=S)
        assert written(told_on(reply)) == without_code(reply), path


async def test_every_reply_on_an_account_is_told_on_as_the_sandbox_tells_it(world: World) -> None:
    for command in ORDERS.values():
        await world.place(command)
    await world.told("POST", "balance/create-withdraw", **WITHDRAWAL)
    while not exact_json(await world.told("GET", "balance/deposit-history"))["history"]:
        pass
    for path, told_on in OF_THE_ACCOUNT.items():
        reply = await world.told("GET", path)
        told = without_code(reply)
        assert written(told_on(reply)) == told, path
        assert all(told.values()), f"{path} tells nothing"


@pytest.mark.parametrize("asset", ["BTC", "TRY"])
async def test_how_an_asset_moves_is_told_on_as_the_sandbox_tells_it(
    world: World, asset: str
) -> None:
    ways_in = await world.told("POST", "balance/deposit", symbol=asset)
    told_on = transfer_replies.deposit_options(readers.read_deposit_options(ways_in, asset))
    assert written(told_on) == without_code(ways_in)
    ways_out = await world.told("POST", "balance/withdraw", symbol=asset)
    told_on = transfer_replies.withdrawal_options(readers.read_withdrawal_options(ways_out, asset))
    assert written(told_on) == without_code(ways_out)


async def test_candles_are_told_on_as_the_sandbox_tells_them_but_for_the_5_ms_off_their_grid(
    world: World,
) -> None:
    for command in ORDERS.values():
        await world.place(command)
    for interval in CandleInterval:
        name = interval_name(interval)
        reply = await world.told("GET", "market/candles", symbol=S, interval=name)
        told = without_code(reply)
        for candle in told["candles"]:
            candle["openTime"] -= 5
            candle["closetime"] -= 5
        assert told["candles"]
        assert written(replies.candles(readers.read_candles(reply, S, interval))) == told


TOPICS = [
    {"type": "allTickers"},
    *({"type": name, "symbol": S} for name in ("ticker", "orderBook", "depth", "trade")),
    {"type": "candles", "symbol": S, "interval": "m5"},
]
TOLD = {
    *(topic["type"] for topic in TOPICS),
    *("orderUpdate", "balanceUpdate", "reservedUpdate"),
}


async def test_every_frame_is_told_on_as_the_sandbox_tells_it(world: World) -> None:
    async with connect(world.stream_url, max_queue=None) as stream:
        await subscribe(stream, *TOPICS)
        await stream.send(world.demo.login_frame())
        assert json.loads(await stream.recv())["status"] == "success"
        for command in ORDERS.values():
            await world.place(command)
        seen: set[str] = set()
        async with asyncio.timeout(20):
            while seen != TOLD:
                frame = await stream.recv(decode=True)
                assert written(frame_of(read_frame(frame))) == exact_json(frame)
                seen.add(json.loads(frame)["type"])
