"""Somebody who trades on the accounts of the gateway without it."""

import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from threading import Event
from urllib.parse import urlencode

import httpx

from gateway.sandbox import Account
from tests.functional.exchange import wall_clock_ms


class Outsider:
    """Signs with the accounts' own keys; `digests` tell its requests from the gateway's."""

    def __init__(self, url: str, rng: Random) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False)
        self._rng = rng
        self._end = Event()
        self.digests: set[str] = set()

    def trade(self, accounts: Sequence[Account], symbol: str) -> None:
        """Place and take orders of its own, one after the other, until `close`.

        It leaves alone the endpoints on which a test lets requests go wrong: limit-buy and
        market-buy.
        """
        with self._http:
            while not self._end.wait(0.1):
                self._trade(self._rng.choice(accounts), symbol)

    def close(self) -> None:
        """Stop."""
        self._end.set()

    def _trade(self, account: Account, symbol: str) -> None:
        if self._rng.random() < 0.5:
            quantity = f"0.0{self._rng.randint(11, 99)}"
            self._order(account, "limit-sell", symbol, price="500000", amount=quantity)
        else:
            total = str(self._rng.randint(1_000, 5_000))
            self._order(account, "fast-buy", symbol, total=total)

    def _order(self, account: Account, endpoint: str, symbol: str, **terms: str) -> None:
        text = urlencode({"symbol": symbol, **terms, "timestamp": wall_clock_ms()})
        self.digests.add(hashlib.sha256(text.encode()).hexdigest())
        keys = account.keys[0]
        signature = hmac.new(keys.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        with suppress(httpx.TransportError):
            self._http.post(
                f"/v3/api/market/{endpoint}?{text}&signature={signature}",
                headers={"X-APNK-APIKEY": keys.api_key},
            )
