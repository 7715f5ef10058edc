"""The sandbox exchange on a thread of its own, and traders on it whom the gateway does not know."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Thread
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx

from gateway.sandbox import Account, KeyPair, RunningSandbox, SandboxConfig, default_markets, serve

# What a reply holds is for the test to know.
Json: TypeAlias = Any

BALANCES = {
    "USDT": Decimal(100_000_000),
    "TRY": Decimal(1_000_000_000),
    "BTC": Decimal(1_000),
    "ETH": Decimal(10_000),
    "XRP": Decimal(10_000_000),
    "LINK": Decimal(100_000),
    "UNI": Decimal(100_000),
    "HOT": Decimal(1_000_000_000),
    "1INCH": Decimal(1_000_000),
}


def wall_clock_ms() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


def account(name: str) -> Account:
    """A rich account with a key pair of its own."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Account(name, (KeyPair(f"key{digest}", f"secret{digest}"),), BALANCES)


DEMO, VAULT = account("demo"), account("vault")
OUTSIDER, COUNTERPARTY = account("outsider"), account("counterparty")

_MARKETS = default_markets()
QUIET = SandboxConfig(
    port=0,
    accounts=(DEMO, VAULT, OUTSIDER, COUNTERPARTY),
    market_maker=False,
    control=True,
    markets=_MARKETS | {"HOTTRY": replace(_MARKETS["HOTTRY"], enabled=False)},
)
"""Nothing happens here but what a test does; a book is empty until somebody fills it."""


@dataclass(frozen=True)
class Trader:
    """Trades on the exchange with signed requests, past the gateway."""

    http: httpx.Client
    keys: KeyPair

    def call(self, path: str, method: str = "POST", **parameters: object) -> Json:
        """Send a signed request that succeeds."""
        reply = self.attempt(path, method, **parameters)
        assert reply["code"] == "00000", reply
        return reply

    def attempt(self, path: str, method: str = "POST", **parameters: object) -> Json:
        """Send a signed request, as the document's "Security" section says."""
        text = urlencode({**parameters, "timestamp": wall_clock_ms()})
        secret = self.keys.api_secret.encode()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        return self.http.request(
            method,
            f"/v3/api/{path}?{text}&signature={signature}",
            headers={"X-APNK-APIKEY": self.keys.api_key},
        ).json()

    def limit(self, side: str, symbol: str, price: str, quantity: str) -> str:
        """Place a limit order; give its id."""
        order = self.call(f"market/limit-{side}", symbol=symbol, price=price, amount=quantity)
        return str(order["order"]["orderId"])

    def cancel(self, order_id: str) -> None:
        """Cancel an order."""
        self.call("market/cancel-order", orderId=order_id)

    def cancel_all(self) -> None:
        """Cancel every open order."""
        for order in self.call("market/user-orders", "GET")["orders"]:
            self.cancel(order["orderId"])


class Exchange:
    """A sandbox that runs until `stop`, and can be started again at the same address.

    `clock` gives its time in ms since the Unix epoch.
    """

    def __init__(
        self, config: SandboxConfig = QUIET, clock: Callable[[], int] = wall_clock_ms
    ) -> None:
        self._config = config
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread: Thread | None = None
        self.start()
        self.http = httpx.Client(base_url=self.url, trust_env=False)
        self.demo = Trader(self.http, DEMO.keys[0])
        self.outsider = Trader(self.http, OUTSIDER.keys[0])
        self.counterparty = Trader(self.http, COUNTERPARTY.keys[0])

    def start(self) -> None:
        """Start; after a stop with new books, at the same address."""
        started: Future[RunningSandbox] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        running = started.result(timeout=20)
        self._config = replace(self._config, port=running.port)
        self.url, self.stream_url = running.url, running.stream_url

    def stop(self) -> None:
        """Stop: connections end, and new ones are refused."""
        if self._thread is not None and self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(timeout=20)
            self._thread = None

    def close(self) -> None:
        """Stop for good."""
        self.http.close()
        self.stop()

    @contextmanager
    def fault(self, endpoint: str = "*", **fault: object) -> Iterator[None]:
        """Let requests to an endpoint (`market/24h`; `*` is every one) go wrong meanwhile.

        What can go wrong is told in docs/sandbox-control.md: outcome, code, status, body, filler,
        executes, lateMs, delayMs, replyDelayMs, account, probability, count.
        """
        path = endpoint if endpoint == "*" else f"v3/api/{endpoint}"
        number = self.control("faults", endpoint=path, **fault)["number"]
        try:
            yield
        finally:
            self.http.delete(f"/control/faults/{number}").raise_for_status()

    def streams(
        self, action: str, account: str | None = None, topic: dict[str, str] | None = None
    ) -> None:
        """Cut, mute or unmute all streams, or those of an account, or of a topic."""
        self.control("streams", action=action, account=account, topic=topic)

    @contextmanager
    def mute(
        self, account: str | None = None, topic: dict[str, str] | None = None
    ) -> Iterator[None]:
        """Let all streams, or those of an account, or of a topic, tell nothing meanwhile.

        They break afterwards, so that whoever follows them reads what was not told.
        """
        self.streams("mute", account, topic)
        try:
            yield
        finally:
            self.streams("unmute", account, topic)
            self.streams("cut", account, topic)

    def inject(
        self, text: str, account: str | None = None, topic: dict[str, str] | None = None
    ) -> None:
        """Send a frame as it is to those who follow a topic, or an account, or to everybody.

        They get it even while they are muted. Fails when nobody is there to get it.
        """
        told = self.control("frames", text=text, account=account, topic=topic)
        assert told["connections"], "nobody is there to get the frame"

    @contextmanager
    def skew(self, ms: int) -> Iterator[None]:
        """Set the exchange's clock so far ahead of the machine's, or behind it, meanwhile."""
        self.control("clock", skewMs=ms)
        try:
            yield
        finally:
            self.control("clock", skewMs=0)

    def truth(self, account: str | None = None) -> Json:
        """What really happened, to everybody or to one account; no fraction is a float.

        Fails when not all orders and trades were kept.
        """
        query = {} if account is None else {"account": account}
        reply = self.http.get("/control/truth", params=query).raise_for_status()
        truth = json.loads(reply.text, parse_float=Decimal)
        assert not truth["dropped"]["orders"], truth["dropped"]
        assert not truth["dropped"]["trades"], truth["dropped"]
        return truth

    def control(self, what: str, **order: object) -> Json:
        """Give the control endpoint an order; see docs/sandbox-control.md."""
        reply = self.http.post(f"/control/{what}", json=order)
        assert reply.is_success, reply.text
        return reply.json()

    def topics(self) -> list[Json]:
        """Every topic that a connection is subscribed to."""
        rows = self.http.get("/control/streams").json()["connections"]
        return [topic for row in rows for topic in row["topics"]]

    def accounts_followed(self) -> list[str]:
        """The account of each connection that logged in."""
        rows = self.http.get("/control/streams").json()["connections"]
        return [row["account"] for row in rows if row["account"]]

    def requests(self, endpoint: str, **parameters: str) -> list[Json]:
        """The requests to an endpoint that came with these parameters, and what became of them.

        Fails when not all were kept.
        """
        received = self.http.get("/control/requests").json()
        assert not received["dropped"], "some requests were forgotten"
        return [
            row
            for row in received["requests"]
            if row["path"] == f"v3/api/{endpoint}"
            and parameters.items() <= row["parameters"].items()
        ]

    def orders(self, account_id: str, **members: object) -> list[Json]:
        """The truth about an account's orders, those with these members."""
        rows = self.truth(account_id)["orders"]
        return [row for row in rows if members.items() <= row.items()]

    def trade(self, symbol: str, price: str, quantity: str) -> None:
        """Let one outsider buy from the other: the last price is then `price`."""
        self.counterparty.limit("sell", symbol, price, quantity)
        self.outsider.limit("buy", symbol, price, quantity)

    def sweep(self) -> None:
        """Empty every book."""
        for account in QUIET.accounts:
            Trader(self.http, account.keys[0]).cancel_all()

    async def _serve(self, started: Future[RunningSandbox]) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with serve(self._config, self._clock) as running:
                started.set_result(running)
                await self._end.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)
