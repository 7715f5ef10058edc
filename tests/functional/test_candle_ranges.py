"""Candles of any times over the wire: what callers are told, and what their choices cost."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from random import Random

import httpx
import pytest

from gateway.domain.market import CandleInterval
from tests.functional.callers import Json
from tests.functional.conftest import running_service
from tests.functional.exchange import wall_clock_ms
from tests.functional.facade import (
    WITH_VIRTUAL_KEYS,
    Anonymous,
    Bot,
    issue,
    order,
    placed,
)
from tests.functional.service import MARKET, READ, TRADE, Member, Service
from tests.processes import eventually

CANDLES = "market/candles"
PATH = f"/v3/api/{CANDLES}"
DONE, NOT_PERMITTED = "00000", "20011"
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
FAST = WITH_VIRTUAL_KEYS | {"NGW_MARKET_RATE": "10/h"}
"""Callers may ask as often as they like, and hardly any of it may reach the exchange."""


@dataclass(frozen=True)
class Unproven(Anonymous):
    """Whoever shows nothing, with a rate by the policy."""

    grants: tuple[tuple[str, ...], ...] = (MARKET,)


PEOPLE = (Unproven("anonymous"), Member("bot", (MARKET, READ, TRADE)))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway that anybody may ask, and that may ask for ten values of markets."""
    with running_service(tmp_path_factory, people=PEOPLE, settings=FAST) as running:
        yield running


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway with the rates that it comes with."""
    settings = {"NGW_KEY_ENCRYPTION_KEY": FAST["NGW_KEY_ENCRYPTION_KEY"]}
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def bot(bounded: Service) -> Bot:
    """Whoever signs."""
    return issue(bounded, "bot")


def ask(http: httpx.Client, **parameters: object) -> Json:
    """What is told, with every digit, but for the times: the exchange's lie off the interval."""
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    reply = http.get(PATH, params=given).text
    body = json.loads(reply, parse_float=Decimal)
    for row in body.get("candles", ()):
        row["openTime"] -= row["openTime"] % 1_000
        del row["closetime"]
    return body


def some_range(rng: Random, interval: CandleInterval, now: int) -> dict[str, int | None]:
    """Bounds mostly where there are candles; one or both may be missing.

    None lies in the 5 ms by which the exchange's candles open later than their interval.
    """
    step = interval.milliseconds

    def some_time() -> int | None:
        far = rng.choice((300, 3_000, 50 * YEAR_MS // step))
        return rng.choice((None, interval.floor(now) - rng.randint(-2, far) * step))

    end = some_time()
    return {"startDate": some_time(), "endDate": None if end is None else end + 1_000}


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCTRY"])
def test_candles_of_any_times_are_those_that_the_exchange_tells(
    bounded: Service, symbol: str
) -> None:
    rng = Random(symbol)
    headers = {"Authorization": f"Bearer {bounded.members['bot'].token}"}
    with httpx.Client(
        base_url=bounded.http.base_url, headers={**headers, "X-Gateway-Account": "demo"}
    ) as http:
        for _ in range(150):
            interval = rng.choice((CandleInterval.M1, CandleInterval.M15, CandleInterval.D1))
            asked: dict[str, object] = {
                "symbol": symbol,
                "interval": interval.value.lower(),
                **some_range(rng, interval, wall_clock_ms()),
            }

            def agree(asked: dict[str, object] = asked) -> bool:
                return bool(ask(http, **asked) == ask(bounded.exchange.http, **asked))

            assert eventually(agree), asked


def test_hundreds_of_ranges_are_two_calls_and_one_value_in_redis(service: Service) -> None:
    now = wall_clock_ms()
    for number in range(300):
        start = (number * 997_001 * 60_000) % now
        found = ask(service.http, symbol="XRPTRY", startDate=start, endDate=start + number * 60_000)
        assert found["code"] == DONE, (number, found)
        assert ask(service.http, symbol="XRPTRY", startDate=now - number)["code"] == DONE
    # Once more of each is right if a minute has begun meanwhile.
    assert len(service.exchange.requests(CANDLES, symbol="XRPTRY")) <= 4
    keys = re.findall(rb"ngw:1:market:candles\S+", service.valkey.command("KEYS", "*"))
    assert keys == [b"ngw:1:market:candles:XRPTRY:M1::"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(1_000, 999), (10**17, None), (999_999_999_999_999_999, 1), (60_001, 119_999)],
)
def test_of_impossible_times_there_are_no_candles_and_nobody_is_asked(
    service: Service, start: int, end: int | None
) -> None:
    before = len(service.exchange.requests(CANDLES))
    asked = {"symbol": "LINKTRY", "startDate": start, "endDate": end}
    found = ask(service.http, **asked)
    assert found == {"code": DONE, "candles": []} == ask(service.exchange.http, **asked)
    assert len(service.exchange.requests(CANDLES)) == before + 1


def test_reads_that_the_exchange_may_not_be_asked_for_are_refused_until_later(
    service: Service,
) -> None:
    replies = [
        service.http.get(PATH, params={"symbol": symbol, "interval": interval.value.lower()})
        for symbol in ("BTCTRY", "ETHTRY", "HOTTRY", "UNITRY", "1INCHTRY")
        for interval in CandleInterval
    ]
    assert replies[-1].json()["code"] == NOT_PERMITTED
    assert int(replies[-1].headers["retry-after"]) > 0
    assert len(service.exchange.requests(CANDLES)) < 20
    bot, terms = issue(service, "bot"), order()
    bot.call("market/limit-buy", **terms)
    assert placed(service.exchange, terms)


def test_whoever_shows_nothing_is_refused_beyond_a_low_rate_and_who_signs_is_not(
    bounded: Service, bot: Bot
) -> None:
    def unproven() -> httpx.Response:
        return bounded.http.get("/v3/api/market/24h", params={"symbol": "ETHTRY"})

    replies = [unproven() for _ in range(60)]
    refused = [reply for reply in replies if reply.json()["code"] != DONE]
    assert refused
    assert {reply.json()["code"] for reply in refused} == {NOT_PERMITTED}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert {reply.status_code for reply in refused} == {HTTPStatus.OK}
    for _ in range(60):
        bot.call("market/24h", "GET", symbol="ETHTRY")
