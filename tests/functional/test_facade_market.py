"""Public market data in the exchange's own protocol, beside what the exchange itself says."""

import json
import time
from decimal import Decimal

import httpx
import pytest

from tests.functional.callers import Json
from tests.functional.exchange import Exchange, wall_clock_ms
from tests.functional.service import Service
from tests.processes import eventually

MARKET = "/v3/api/market"
SYMBOL = "UNIUSDT"
DAY_MS = 86_400_000
OF_A_MARKET = ("24h", "info", "candles", "orderbook", "depth", "trades")
MOVED_BY_ORDERS = ("24h", "candles", "orderbook", "depth", "trades")
SOFT_S = 1.1
"""A bit longer than the soft lifetime of a book."""
UNEQUAL = frozenset({"openTime", "closetime"})
"""The exchange's candles open some ms off their interval, and its 24 hours end at each request."""


def exact(reply: httpx.Response) -> Json:
    """The reply with every digit, without the times at which things open and close."""

    def members(pairs: list[tuple[str, Json]]) -> Json:
        return {name: value for name, value in pairs if name not in UNEQUAL}

    return json.loads(reply.text, parse_float=Decimal, object_pairs_hook=members)


@pytest.fixture
def headers(service: Service) -> dict[str, str]:
    """What the trader shows to the facade."""
    return {
        "Authorization": f"Bearer {service.members['trader'].token}",
        "X-Gateway-Account": "demo",
    }


class Both:
    """Asks the facade and the exchange the same."""

    def __init__(self, service: Service, exchange: Exchange, headers: dict[str, str]) -> None:
        self._service = service
        self._exchange = exchange
        self._headers = headers

    def by_facade(self, name: str, **parameters: str) -> httpx.Response:
        path = f"{MARKET}/{name}"
        return self._service.http.get(path, params=parameters, headers=self._headers)

    def differ(self, name: str, **parameters: str) -> tuple[Json, Json] | None:
        """What each says, if it is not the same."""
        here = exact(self.by_facade(name, **parameters))
        there = exact(self._exchange.http.get(f"{MARKET}/{name}", params=parameters))
        return None if here == there else (here, there)

    def agree(self, name: str, **parameters: str) -> None:
        """See that they say the same at once, with nothing stale about it."""
        assert self.differ(name, **parameters) is None
        assert "x-gateway-stale" not in self.by_facade(name, **parameters).headers

    def act(self, name: str, **parameters: str) -> Json:
        """Do something through the facade that succeeds."""
        path = f"{MARKET}/{name}"
        reply = self._service.http.post(path, params=parameters, headers=self._headers).json()
        assert reply["code"] == "00000", reply
        return reply


@pytest.fixture
def both(service: Service, exchange: Exchange, headers: dict[str, str]) -> Both:
    """A market in which something has happened, as the facade and the exchange show it."""
    exchange.trade(SYMBOL, "28.5", "3")
    exchange.outsider.limit("buy", SYMBOL, "28.1", "2")
    exchange.outsider.limit("sell", SYMBOL, "29.3", "1.25")
    return Both(service, exchange, headers)


def test_every_public_endpoint_comes_to_say_what_the_exchange_says(both: Both) -> None:
    assert eventually(lambda: both.differ("markets") is None), both.differ("markets")
    assert eventually(lambda: not any(both.differ(name, symbol=SYMBOL) for name in OF_A_MARKET))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"symbol": ""},
        {"symbol": "uniusdt"},
        {"symbol": "UNI/USDT"},
        {"symbol": "UNIUNI"},
        {"symbol": "UNIUNI", "interval": "m2"},
    ],
)
@pytest.mark.parametrize("name", OF_A_MARKET)
def test_what_is_no_market_is_refused_in_the_same_words(
    both: Both, name: str, parameters: dict[str, str]
) -> None:
    both.agree(name, **parameters)


@pytest.mark.parametrize(
    "bounds",
    [
        {"interval": "m2"},
        {"interval": ""},
        {"startDate": "yesterday"},
        {"endDate": "-1"},
        {"startDate": "0"},
        {"endDate": "0"},
        {"startDate": str(10**17), "interval": "d1"},
        {"endDate": str(10**17), "interval": "d1"},
        {"startDate": "1000", "endDate": "999", "interval": "h1"},
    ],
)
def test_candles_of_any_time_are_the_same(both: Both, bounds: dict[str, str]) -> None:
    assert eventually(lambda: both.differ("candles", symbol=SYMBOL, **bounds) is None)


def test_an_order_is_seen_by_the_next_read_though_no_stream_tells_of_it(
    both: Both, exchange: Exchange
) -> None:
    for name in MOVED_BY_ORDERS:
        both.by_facade(name, symbol=SYMBOL)
    with exchange.mute():
        for price in ("28.2", "28.3", "28.4"):
            placed = both.act("limit-buy", symbol=SYMBOL, price=price, amount="1")
            for name in MOVED_BY_ORDERS:
                both.agree(name, symbol=SYMBOL)
            both.act("cancel-order", orderId=placed["order"]["orderId"])
            for name in MOVED_BY_ORDERS:
                both.agree(name, symbol=SYMBOL)


def test_a_trade_of_ones_own_is_the_newest_of_the_next_read(both: Both, exchange: Exchange) -> None:
    with exchange.mute():
        for price in ("29.1", "29.2"):
            exchange.outsider.limit("sell", SYMBOL, price, "0.5")
            both.act("limit-buy", symbol=SYMBOL, price=price, amount="0.5")
            for name in MOVED_BY_ORDERS:
                both.agree(name, symbol=SYMBOL)
            (newest, *_) = exact(both.by_facade("trades", symbol=SYMBOL))["trades"]
            assert newest["price"] == Decimal(price)


def test_a_lone_reader_is_given_what_stands_now_not_what_it_read_before(
    both: Both, exchange: Exchange
) -> None:
    with exchange.mute():
        for price in ("27.1", "27.2"):
            both.agree("depth", symbol=SYMBOL)
            exchange.outsider.limit("buy", SYMBOL, price, "1")
            time.sleep(SOFT_S)
    both.agree("depth", symbol=SYMBOL)


def test_what_is_shown_while_the_exchange_is_away_is_marked(both: Both, exchange: Exchange) -> None:
    assert eventually(lambda: both.differ("depth", symbol=SYMBOL) is None)
    with exchange.fault("market/depth", outcome="drop-before"):

        def is_marked() -> bool:
            return "x-gateway-stale" in both.by_facade("depth", symbol=SYMBOL).headers

        assert eventually(is_marked)
        shown = both.by_facade("depth", symbol=SYMBOL)
        assert shown.headers["x-gateway-stale"] == "true"
        assert 0 < int(shown.headers["x-gateway-as-of"]) < wall_clock_ms()
        assert exact(shown)["code"] == "00000"
