"""A request that is not as it should be is answered by the facade as it is by the exchange.

Both get the same requests, on the same empty market. Two things are left out, for there the facade
is stricter or sees another fault first: a window above a minute, and market and fast orders for
which both the balance and the book are too small.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import urlencode

import pytest
from websockets.sync.client import connect

from gateway.sandbox import load_scenario
from tests.functional.callers import Json
from tests.functional.conftest import running_service
from tests.functional.document_clients import CLIENTS
from tests.functional.exchange import Exchange, wall_clock_ms
from tests.functional.facade import (
    CANCEL,
    MUTATIONS,
    WALLET,
    WITH_VIRTUAL_KEYS,
    Anonymous,
    Bot,
    answer,
    issue,
)
from tests.functional.service import MARKET, READ, TRADE_ALL, Member

WORLD = replace(load_scenario(CLIENTS / "scenario.yaml"), port=0, control=True)
PEOPLE = (
    Member("bot", (MARKET, READ, TRADE_ALL), account="trader"),
    Anonymous("anonymous", (MARKET,)),
)
DIFFERENT = frozenset({"time", "orderId"})
FORM, AS_JSON = "application/x-www-form-urlencoded", "application/json"

WHOLE = {
    "symbol": "BTCUSDT",
    "price": "53000",
    "amount": "0.002",
    "target": "53500",
    "total": "60",
    "orderId": "a" * 64,
}
NUMBERS = (
    *("0", "-1", "1e-7", "0.0000001", "00.5", ".5", "5.", "1_000", " 1", "+1", "", "abc", "NaN"),
    *("Infinity", "1,5", "0x10", "1." + "1" * 13, "\u0663", "true", "1e400", "53000.123456789"),
)
SYMBOLS = (
    *("btcusdt", "BTC-USDT", "", "BTCBTC", "A", "A" * 21, "BTC/USDT", "BTCUSDT ", "\uff11"),
    *("BTCUSDT\n", "BTC\x00USDT", "NOSUCH"),
)
READS = (
    *("market/user-orders", "market/user-trades", WALLET),
    *("balance/currencies", "balance/withdraw-history"),
)
PATHS = (
    *("market/nosuch", "market", "market/", "market/limit-buy/", "MARKET/limit-buy", "ping/"),
    *("market//limit-buy", "market/%6cimit-buy", "ping%00", "ping", "markets", "wallet"),
)


Asked: TypeAlias = tuple[str, str, dict[str, str]]
"""Method, path and parameters of a request."""


@dataclass(frozen=True)
class Case:
    """A request: an endpoint, or none, and parameters, in one of the carriers."""

    method: str
    path: str
    parameters: dict[str, str]
    carrier: str

    def sent_by(self, bot: Bot) -> tuple[int, Json]:
        """Status and reply, without what differs from run to run; what it places is taken out."""
        pairs = {**self.parameters, "timestamp": str(wall_clock_ms())}
        text = urlencode(pairs)
        signature = bot.sign(text)
        signed = f"{text}&signature={signature}"
        query, body = (f"?{signed}", "") if self.carrier == "query" else ("", signed)
        if self.carrier == AS_JSON:
            body = json.dumps({**pairs, "signature": signature})
        headers = {**bot.headers, "Content-Type": self.carrier} if body else bot.headers
        url = f"/v3/api/{self.path}{query}"
        response = bot.http.request(self.method, url, content=body, headers=headers)
        reply = response.json() if response.content else None
        if reply is not None and (order_id := reply.get("order", {}).get("orderId")):
            bot.call(CANCEL, orderId=order_id)
        return response.status_code, _without_what_differs(reply)


def _without_what_differs(value: Json) -> Json:
    if isinstance(value, dict):
        kept = {name: member for name, member in value.items() if name not in DIFFERENT}
        return {name: _without_what_differs(member) for name, member in kept.items()}
    return [_without_what_differs(each) for each in value] if isinstance(value, list) else value


TOPICS: tuple[Json, ...] = (
    *({"type": "ticker", "symbol": symbol} for symbol in ("BTCUSDT", "btcusdt", "", 1, None)),
    *({"type": kind, "symbol": "BTCUSDT"} for kind in ("Ticker", "orderUpdate", None, ["ticker"])),
    *({"type": "candles", "symbol": "BTCUSDT", "interval": each} for each in ("m1", "M1", "m2", 1)),
    {"type": "candles", "symbol": "NOSUCH", "interval": "m2"},
    {"type": "candles", "interval": "m1"},
    {"type": "candles", "symbol": "BTCUSDT"},
    {"type": "ticker"},
    {"type": "ticker", "symbol": "BTCUSDT", "interval": "m1"},
    {"type": "ticker", "symbol": "BTCUSDT", "extra": 1},
    {"type": "allTickers", "symbol": "NOSUCH"},
    {"type": "allTickers", "interval": "m1"},
    {"symbol": "BTCUSDT"},
)
FRAMES: tuple[str | bytes, ...] = (
    *("", "x", "[]", "null", "1", "{}", '{"data":"ping"}', '{"data":1}', '{"type":"x"}'),
    *("[" * 1000, '{"a":' * 1000, '"LIST_SUBSCRIPTIONS"', '\ufeff{"method":"LIST_SUBSCRIPTIONS"}'),
    *('{"method":"LIST_SUBSCRIPTIONS"} x', '{"type":"x","method":"LIST_SUBSCRIPTIONS"}'),
    '{"method":"SUBSCRIBE","method":"LIST_SUBSCRIPTIONS"}',
    *(f'{{"method":{method}}}' for method in ('"PING"', '"subscribe"', "null", "1", "[]")),
    *(
        f'{{"method":"{method}"{params}}}'
        for method in ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "USER_STREAMS")
        for params in (
            "",
            *(f',"params":{each}' for each in ("null", "{}", "[]", "NaN", '[1,"x",{}]')),
        )
    ),
    b'{"method":"SUBSCRIBE","params":[{"type":"\xff"}]}',
    b'{"method":"USER_STREAMS","apiKey":"a","signature":"\xff"}',
    '{"method":"USER_STREAMS","apiKey":1,"signature":2}',
    '{"method":"USER_STREAMS","apiKey":"a","signature":"b"}',
    *(
        json.dumps({"method": method, "params": [topic, {"type": "allTickers"}]})
        for method in ("SUBSCRIBE", "UNSUBSCRIBE")
        for topic in TOPICS
    ),
)
LAST = {"type": "trade", "symbol": "ETHUSDT"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bot, Bot]]:
    """A client of the facade, and one of an exchange like that behind it."""
    with (
        running_service(
            tmp_path_factory, WORLD, WORLD.accounts, PEOPLE, WITH_VIRTUAL_KEYS
        ) as service,
        closing(Exchange(WORLD)) as exchange,
    ):
        yield issue(service, "bot", "trader"), Bot(exchange.http, "", WORLD.accounts[0].keys[0])
        assert service.complaints() == []


def of_numbers() -> Iterator[Asked]:
    """Every number of an order, of a window and of a cancel, in every wrong form."""
    limit, stop = "market/limit-buy", "market/stop-limit-buy"
    for path, name in ((limit, "price"), (limit, "amount"), (stop, "target"), (CANCEL, "orderId")):
        yield from (("POST", path, {**WHOLE, name: number}) for number in NUMBERS)
    for number in NUMBERS:
        yield "POST", "market/fast-buy", {**WHOLE, "total": number}
        yield "GET", WALLET, {"windowSize": number}


def of_symbols() -> Iterator[Asked]:
    """Every endpoint that takes a symbol, with what is none."""
    for path in ("market/limit-buy", "market/fast-sell", "balance/deposit", "balance/withdraw"):
        yield from (("POST", path, {**WHOLE, "symbol": symbol}) for symbol in SYMBOLS)


def of_missing() -> Iterator[Asked]:
    """Every endpoint that does something, without each of the parameters."""
    for path in MUTATIONS[:-1]:
        for name in WHOLE:
            yield "POST", path, {key: value for key, value in WHOLE.items() if key != name}


def of_places() -> Iterator[Asked]:
    """Methods and paths that there are, and that there are not."""
    for method, path in itertools.product(("GET", "PUT", "DELETE", "HEAD"), MUTATIONS):
        yield method, path, WHOLE
    for method, path in itertools.product(("GET", "POST", "PUT"), READS):
        yield method, path, {}
    for method, path in itertools.product(("GET", "POST"), PATHS):
        yield method, path, {}


@pytest.mark.parametrize("requests", [of_numbers, of_symbols, of_missing, of_places])
def test_the_facade_answers_as_the_exchange_does(
    both: tuple[Bot, Bot], requests: Callable[[], Iterator[Asked]]
) -> None:
    carriers = itertools.cycle(("query", FORM, AS_JSON))
    differing = []
    for (method, path, parameters), carrier in zip(requests(), carriers, strict=False):
        case = Case(method, path, parameters, carrier)
        by_facade, by_exchange = (case.sent_by(bot) for bot in both)
        if by_facade != by_exchange:
            differing.append((case, by_facade, by_exchange))
    assert differing == []


def answers(bot: Bot, frame: str | bytes) -> list[Json]:
    """All that a stream says of a frame."""
    address = str(bot.http.base_url.copy_with(scheme="ws")).rstrip("/")
    with connect(f"{address}/v3", proxy=None) as stream:
        stream.send(frame)
        stream.send(json.dumps({"method": "SUBSCRIBE", "params": [LAST]}))
        told = [answer(stream)]
        while not LAST.items() <= told[-1].items():
            told.append(answer(stream))
        return told


def test_the_facades_stream_answers_every_frame_as_the_exchanges_does(
    both: tuple[Bot, Bot],
) -> None:
    facade, exchange = both
    differing = [frame for frame in FRAMES if answers(facade, frame) != answers(exchange, frame)]
    assert differing == []
