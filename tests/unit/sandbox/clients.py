"""Clients of the sandbox, written from the exchange's document alone, and engines to try."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection

from gateway.sandbox import Account, KeyPair, SandboxConfig
from gateway.sandbox.endpoints import Clock, Venue
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Order, Side
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.markets import Market, default_markets
from gateway.sandbox.order_requests import LimitOrder
from gateway.sandbox.treasury import Treasury

DOCUMENT_KEY = "Y0AhbfGmVA8FG7kPN6a9PB7UOpwnlvKG4bI5Jc57awpKv4uKN9UX114EPRTcKuhX"
DOCUMENT_SECRET = "7v5TnUBX92lgKWlODJbRn3FIoriHNihB3PHFi591Do5ip9DLrCvx0bn9dHZKFZRS"
# What a reply holds is for the test to know.
Json: TypeAlias = Any

NOW = 1_578_398_112_000

RICH = {
    "USDT": Decimal(1_000_000),
    "TRY": Decimal(10_000_000),
    "BTC": Decimal(50),
    "XRP": Decimal(100_000),
}
ANN = Account("ann", (KeyPair(DOCUMENT_KEY, DOCUMENT_SECRET),), RICH)
BOB = Account("bob", (KeyPair("bob-key", "bob-secret"), KeyPair("bob-2", "bob-secret-2")), RICH)


def hmac_hex(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Trader:
    """Signs requests as the document's "Security" section says."""

    http: httpx.AsyncClient
    key: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-APNK-APIKEY": self.key}

    def query(self, parameters: Mapping[str, object]) -> str:
        text = urlencode({**parameters, "timestamp": now_ms()})
        return f"{text}&signature={hmac_hex(self.secret, text)}"

    async def call(self, method: str, path: str, **parameters: object) -> Json:
        url = f"/v3/api/{path}?{self.query(parameters)}"
        reply = await self.http.request(method, url, headers=self.headers)
        return exact_json(reply.content)

    async def limit(self, side: str, price: str, amount: str, symbol: str = "BTCUSDT") -> Json:
        parameters = {"symbol": symbol, "price": price, "amount": amount}
        return await self.call("POST", f"market/limit-{side}", **parameters)

    async def wallet(self) -> dict[str, dict[str, Decimal]]:
        reply = await self.call("GET", "balance/wallet")
        return {row["symbol"]: row for row in reply["wallet"]}

    def login_frame(self) -> str:
        signature = hmac_hex(self.secret, self.key)
        frame = {"method": "USER_STREAMS", "signature": signature, "apiKey": self.key}
        return json.dumps(frame)


def exact_json(content: bytes | str) -> Json:
    return json.loads(content, parse_float=Decimal, parse_int=Decimal)


async def ask(connection: ClientConnection, message: object) -> Json:
    """Send a message and return the next frame."""
    await connection.send(json.dumps(message))
    return await next_frame(connection)


async def next_frame(connection: ClientConnection) -> Json:
    """The next frame; TimeoutError where none comes, long before the test itself is given up."""
    return exact_json(await asyncio.wait_for(connection.recv(), timeout=10))


async def subscribe(connection: ClientConnection, *topics: Mapping[str, str]) -> None:
    await connection.send(json.dumps({"method": "SUBSCRIBE", "params": topics}))
    for _ in topics:
        assert (await next_frame(connection))["status"] == "success"


def build_engine(*accounts: Account, markets: Mapping[str, Market] | None = None) -> Engine:
    """An engine with these accounts, whose order ids count up."""
    ledger = Ledger()
    for account in accounts:
        ledger.open_account(account.account_id, account.balances)
    numbers = itertools.count(1)
    return Engine(
        default_markets() if markets is None else markets, ledger, lambda: str(next(numbers))
    )


def build_venue(engine: Engine, clock: Clock = lambda: NOW) -> Venue:
    """The engine with what its endpoints need besides, at a time that stands still by default."""
    treasury = Treasury(SandboxConfig(), engine.ledger, lambda: "id", NOW)
    return Venue(engine, clock, treasury)


def place(
    engine: Engine, account_id: str, side: Side, price: str, quantity: str, symbol: str = "BTCUSDT"
) -> Order:
    request = LimitOrder(symbol, side, Decimal(price), Decimal(quantity))
    return engine.place(account_id, request, NOW)


async def asked(http: httpx.AsyncClient, path: str, **query: str) -> Json:
    """What the control endpoint shows at a path below it, exactly."""
    reply = await http.get(f"/control/{path}", params=query)
    reply.raise_for_status()
    return exact_json(reply.content)
