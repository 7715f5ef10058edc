"""Clients of the facade: the key pairs that the gateway issues to them, and what they sign."""

import base64
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.sync.client import ClientConnection, connect

from gateway.sandbox import KeyPair
from tests.functional.callers import PATIENCE_S, Json
from tests.functional.exchange import Exchange, wall_clock_ms
from tests.functional.service import MARKET, READ, TRADE, Member, Service
from tests.functional.shell import Ended, run

BUY, SELL, CANCEL = "market/limit-buy", "market/limit-sell", "market/cancel-order"
WALLET = "balance/wallet"
ORDERS = tuple(
    f"market/{kind}-{side}"
    for kind in ("limit", "market", "stop-limit", "fast")
    for side in ("buy", "sell")
)
MUTATIONS = (*ORDERS, CANCEL, "balance/create-withdraw")
"""The endpoints that may do something."""

ENCRYPTION_KEY = f"kek {base64.b64encode(b'that opens virtual keys in tests').decode()}"
WITH_VIRTUAL_KEYS = {
    "NGW_KEY_ENCRYPTION_KEY": ENCRYPTION_KEY,
    "NGW_PRINCIPAL_RATE": "10000/s",
    "NGW_ANONYMOUS_RATE": "10000/s",
    "NGW_MARKET_RATE": "10000/s",
}
"""Settings of a gateway that has virtual keys, and lets their holders work."""


class Anonymous(Member):
    """Whoever sends neither signature nor token."""

    def entry(self) -> dict[str, Any]:
        """The policy file's entry, without a token."""
        return {name: value for name, value in super().entry().items() if name != "tokens"}


PEOPLE = (
    Member("bot", (MARKET, READ, TRADE)),
    Member("other-bot", (MARKET, READ, TRADE)),
    Member("of-the-vault", (MARKET, READ, TRADE), account="vault"),
    Member("leaving", (MARKET, READ, TRADE)),
    Anonymous("anonymous"),
)
"""Clients in good standing, and whoever shows nothing, to whom nothing is granted."""

_amounts = itertools.count(100)


def vkeys(service: Service, *words: str) -> Ended:
    """Run `narkasa-gateway vkeys` where a gateway keeps its virtual keys."""
    return run(
        "vkeys",
        *words,
        env={
            "NGW_STATE_REDIS_URL": service.valkey.url,
            "NGW_KEY_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "NGW_POLICY_FILE": str(service.log.parent / "policy.yaml"),
        },
    )


@dataclass(frozen=True)
class Bot:
    """Signs with a virtual key. `key_id` is what commands call the key.

    Every signature that it makes is kept in `signatures`.
    """

    http: httpx.Client
    key_id: str
    pair: KeyPair
    signatures: set[str] = field(default_factory=set)

    @property
    def headers(self) -> dict[str, str]:
        """What names the key in a request."""
        return {"X-APNK-APIKEY": self.pair.api_key}

    def sign(self, text: str) -> str:
        """The signature of a text, as the document's "Security" section says."""
        secret = self.pair.api_secret.encode()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        self.signatures.add(signature)
        return signature

    def signed(self, ahead_ms: int = 0, /, **parameters: object) -> str:
        """A query with its timestamp, that far ahead of the clock, and its signature."""
        text = urlencode({**parameters, "timestamp": wall_clock_ms() + ahead_ms})
        return f"{text}&signature={self.sign(text)}"

    def send(self, path: str, query: str, method: str = "POST", **options: Any) -> Json:  # noqa: ANN401 - httpx's
        """Send a query as it is; give the reply, which no fault of the gateway made."""
        headers = {**self.headers, **options.pop("headers", {})}
        url = f"/v3/api/{path}?{query}"
        response = self.http.request(method, url, headers=headers, **options)
        assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR
        return response.json()

    def call(self, path: str, method: str = "POST", **parameters: object) -> Json:
        """Send a signed request that succeeds."""
        reply = self.send(path, self.signed(**parameters), method)
        assert reply["code"] == "00000", reply
        return reply

    def login(self) -> str:
        """The frame that starts the account's stream."""
        signature = self.sign(self.pair.api_key)
        frame = {"method": "USER_STREAMS", "apiKey": self.pair.api_key, "signature": signature}
        return json.dumps(frame)


def issue(service: Service, principal: str, account: str = "demo") -> Bot:
    """Have a pair issued that acts as `principal` on `account`."""
    ended = vkeys(service, "issue", "--principal", principal, "--account", account)
    assert ended.status == 0, ended.printed
    (key_id,) = re.findall(r"(\S+) lets its holder act", ended.printed)
    shown = dict(line.split("=") for line in ended.printed.splitlines() if "=" in line)
    pair = KeyPair(shown["VIRTUAL_API_KEY"], shown["VIRTUAL_API_SECRET"])
    return Bot(service.http, key_id, pair)


def revoke(service: Service, bot: Bot) -> None:
    """Have a bot's key prove nothing any more."""
    ended = vkeys(service, "revoke", bot.key_id)
    assert ended.status == 0, ended.printed


@contextmanager
def open_stream(service: Service, *frames: str) -> Iterator[ClientConnection]:
    """Open a stream connection and send frames over it; each is answered."""
    with connect(f"ws://127.0.0.1:{service.port}/v3", proxy=None, compression=None) as stream:
        for frame in frames:
            stream.send(frame)
        yield stream


def order(**changes: str) -> dict[str, str]:
    """The terms of a buy that rests, for an amount that no other has."""
    return {"symbol": "XRPTRY", "price": "4", "amount": str(next(_amounts))} | changes


def sent_on(exchange: Exchange, terms: dict[str, str]) -> int:
    """How many requests with the amount of these terms reached the exchange."""
    return sum(len(exchange.requests(path, amount=terms["amount"])) for path in MUTATIONS)


def placed(exchange: Exchange, terms: dict[str, str], account: str = "demo") -> list[Json]:
    """The orders of an account on the exchange with the amount of these terms."""
    return [row for row in exchange.orders(account) if str(row["amount"]) == terms["amount"]]


def code(reply: Json) -> str:
    """The code of a reply."""
    return str(reply["code"])


def answer(stream: ClientConnection) -> Json:
    """The next frame."""
    return json.loads(stream.recv(timeout=PATIENCE_S))
