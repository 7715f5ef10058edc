from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from gateway.access.policy import Action
from gateway.domain.errors import NotSent
from gateway.domain.market import MarketRules
from gateway.domain.streams import Started, Topic, TopicKind, Update
from gateway.web.facade.access import Access
from gateway.web.facade.endpoints import ENDPOINTS
from tests.unit.services.examples import (
    BTC,
    ETH,
    HARD_MS,
    SOFT_MS,
    TICKER,
    book,
    candle,
    series,
    ticker,
    top,
)
from tests.unit.web.facade.houses import TRADER, House, granted, house_of, reply_of
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

MARKET = "/v3/api/market"
OF_A_MARKET = ["24h", "info", "candles", "orderbook", "depth", "trades"]
UNKNOWN = {"code": "10037", "msg": "Invalid symbol"}
AWAY = NotSent("market/depth", "connect")
RULES = MarketRules(
    symbol=BTC,
    price_precision=2,
    quantity_precision=8,
    total_precision=8,
    min_total=Decimal(10),
    min_quantity=Decimal("0.0001"),
    maker_fee_percent=Decimal("0.1"),
    taker_fee_percent=Decimal("0.2"),
    enabled=True,
    order_enabled=True,
    cancel_enabled=False,
)


@asynccontextmanager
async def open_house(valkey: ValkeyServer) -> AsyncIterator[House]:
    """Where anybody may read market data."""
    policy = granted(*TRADER, anonymous=(Action.MARKET_READ,))
    async with house_of(valkey.url, policy, journal=False) as house:
        house.desk.exchange.answers |= {f"rules {BTC}": RULES, f"top {BTC}": top(1)}
        yield house


async def get(house: House, path: str, **parameters: str) -> httpx.Response:
    return await house.client.get(path, params=parameters)


async def reply(house: House, name: str, **parameters: str) -> dict[str, Any]:
    return reply_of(await get(house, f"{MARKET}/{name}", **parameters))


async def test_the_gateway_answers_a_ping_itself(valkey: ValkeyServer) -> None:
    async with open_house(valkey) as house:
        pong = reply_of(await get(house, "/v3/api/ping"))
        assert pong == {"code": "00000", "data": "PONG"}
        assert house.desk.exchange.asked == []


async def test_the_time_is_the_exchanges_and_none_is_made_up_without_it(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        house.desk.exchange.answers["time"] = 5_000
        first = reply_of(await get(house, "/v3/api/time"))
        house.desk.clock.now += 700
        second = reply_of(await get(house, "/v3/api/time"))
        assert (first["data"], second["data"]) == (5_000, 5_700)
        assert house.desk.exchange.asked == ["time"]
        house.desk.clock.now += 300
        house.desk.exchange.answers["time"] = AWAY
        third = reply_of(await get(house, "/v3/api/time"))
        assert third == {"code": "90000", "msg": "Unexpected Error"}


async def test_each_reply_has_the_members_of_the_document(valkey: ValkeyServer) -> None:
    async with open_house(valkey) as house:
        found = {name: await reply(house, name, symbol=BTC) for name in OF_A_MARKET}
        assert {tuple(body) for body in found.values()} == {
            ("code", member) for member in ("market", "info", "candles", "book", "trades")
        }
        assert found["24h"]["market"]["last"] == 1
        assert found["info"]["info"]["cancelEnable"] == "false"
        assert found["info"]["info"]["firstSymbol"] == "BTC"
        assert [row["openTime"] for row in found["candles"]["candles"]] == [60_000, 120_000]
        assert found["orderbook"]["book"] == {"bids": [{"price": 1, "amount": 1}], "asks": []}
        assert found["depth"]["book"] == {"bids": [{"price": 1, "amount": 1}], "asks": []}
        assert [row["price"] for row in found["trades"]["trades"]] == [3, 2]


async def test_all_markets_come_with_one_request_in_the_exchanges_order(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        rows = (await reply(house, "markets"))["markets"]
        assert [(row["symbol"], row["last"]) for row in rows] == [("BTCUSDT", 1), ("ETHUSDT", 2)]
        assert house.desk.exchange.asked == ["markets"]


@pytest.mark.parametrize("name", OF_A_MARKET)
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "20005"),
        ({"symbol": ""}, "20005"),
        ({"Symbol": BTC}, "20005"),
        ({"symbol": "btcusdt"}, "20006"),
        ({"symbol": "BTC/USDT"}, "20006"),
        ({"symbol": "X" * 21}, "20006"),
        ({"symbol": "BTCBTC"}, "10037"),
        ({"symbol": "BTCBTC", "interval": "m2"}, "10037"),
    ],
)
async def test_no_market_is_asked_for_that_the_exchange_does_not_list(
    valkey: ValkeyServer, name: str, parameters: dict[str, str], code: str
) -> None:
    async with open_house(valkey) as house:
        for _ in range(2):
            assert (await reply(house, name, **parameters))["code"] == code
        assert set(house.desk.exchange.asked) <= {"markets"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"interval": ""},
        {"interval": "m2"},
        {"interval": "M1"},
        {"startDate": "-1"},
        {"endDate": "1.5"},
        {"startDate": ""},
        {"endDate": "9" * 19},
        {"startDate": "1e3"},
    ],
)
async def test_candles_of_no_interval_or_time_are_refused(
    valkey: ValkeyServer, parameters: dict[str, str]
) -> None:
    async with open_house(valkey) as house:
        assert (await reply(house, "candles", symbol=BTC, **parameters))["code"] == "90001"
        assert house.desk.exchange.asked == ["markets"]


@pytest.mark.parametrize(
    ("bounds", "minutes"),
    [
        ({}, [1, 2, 3]),
        ({"startDate": "120000"}, [2, 3]),
        ({"startDate": "120001"}, [3]),
        ({"endDate": "120000"}, [1, 2]),
        ({"endDate": "119999"}, [1]),
        ({"startDate": "60001", "endDate": "179999"}, [2]),
        ({"startDate": "180000", "endDate": "60000"}, []),
        ({"startDate": "9" * 18}, []),
        ({"endDate": "9" * 18}, [1, 2, 3]),
    ],
)
async def test_candles_are_those_that_open_within_the_bounds(
    valkey: ValkeyServer, bounds: dict[str, str], minutes: list[int]
) -> None:
    async with open_house(valkey) as house:
        house.desk.exchange.answers[f"candles {BTC}"] = series(1, 2, 3)
        rows = (await reply(house, "candles", symbol=BTC, **bounds))["candles"]
        assert [row["openTime"] for row in rows] == [candle(each).open_time for each in minutes]


async def test_equal_requests_get_a_kept_answer_until_the_market_changes(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        kept = house.desk.metrics.registry.get_sample_value
        topic = Topic(TopicKind.ORDER_BOOK, BTC)
        house.desk.market_data.receive(Started(topic, 1))
        for bid in (5, 6):
            frame = Update(topic, book(bid), house.desk.clock.now)
            house.desk.market_data.receive(frame)
            for _ in range(3):
                reply_now = await reply(house, "depth", symbol=BTC, nothing="of note")
                assert reply_now["book"]["bids"][0]["price"] == bid
        assert kept("gateway_answers_total", {"kept": "yes"}) == 4


async def test_a_kept_answer_is_for_its_endpoint_and_parameters_alone(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        house.desk.exchange.answers["ticker ETHUSDT"] = ticker(2, "ETHUSDT")
        for _ in range(2):
            tops = await reply(house, "orderbook", symbol=BTC)
            depth = await reply(house, "depth", symbol=BTC)
            tickers = [await reply(house, "24h", symbol=symbol) for symbol in (BTC, "ETHUSDT")]
            assert tops["book"]["bids"] == depth["book"]["bids"]
            assert [found["market"]["symbol"] for found in tickers] == [BTC, "ETHUSDT"]
            assert (await reply(house, "24h", symbol="BTCUSDT&interval=m1"))["code"] == "20006"


async def test_after_an_order_no_kept_answer_is_given(valkey: ValkeyServer) -> None:
    async with open_house(valkey) as house:
        await reply(house, "depth", symbol=BTC)
        house.desk.exchange.answers[f"book {BTC}"] = book(7)
        assert (await reply(house, "depth", symbol=BTC))["book"]["bids"][0]["price"] == 1
        house.desk.market_data.outdate(BTC)
        assert (await reply(house, "depth", symbol=BTC))["book"]["bids"][0]["price"] == 7


def away(house: House) -> None:
    """Let the exchange answer nothing any more."""
    exchange = house.desk.exchange
    exchange.answers = dict.fromkeys((*exchange.answers, f"ticker {ETH}"), AWAY)


@pytest.mark.parametrize("name", OF_A_MARKET)
async def test_a_reply_with_a_stale_value_says_so_and_as_of_when(
    valkey: ValkeyServer, name: str
) -> None:
    async with open_house(valkey) as house:
        fresh = await get(house, f"{MARKET}/{name}", symbol=BTC)
        assert "x-gateway-stale" not in fresh.headers
        received = house.desk.clock.now
        house.desk.clock.now += SOFT_MS
        away(house)
        for _ in range(2):
            stale = await get(house, f"{MARKET}/{name}", symbol=BTC)
            assert stale.headers["x-gateway-stale"] == "true"
            assert stale.headers["x-gateway-as-of"] == str(received)
            assert stale.content == fresh.content


async def test_of_many_markets_the_oldest_stale_one_says_how_old_they_are(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        await reply(house, "markets")
        received = house.desk.clock.now
        house.desk.clock.now += SOFT_MS // 2
        await house.desk.market_data.refetch(TICKER)
        half = await get(house, f"{MARKET}/markets")
        house.desk.clock.now += SOFT_MS
        away(house)
        whole = await get(house, f"{MARKET}/markets")
        assert "x-gateway-stale" not in half.headers
        assert whole.headers["x-gateway-stale"] == "true"
        assert whole.headers["x-gateway-as-of"] == str(received)


async def test_a_market_whose_ticker_is_fresh_is_not_called_stale_for_the_others(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        await reply(house, "markets")
        house.desk.clock.now += SOFT_MS
        await house.desk.market_data.refetch(TICKER)
        away(house)
        one = await get(house, f"{MARKET}/24h", symbol=BTC)
        all_of_them = await get(house, f"{MARKET}/markets")
        assert "x-gateway-stale" not in one.headers
        assert all_of_them.headers["x-gateway-stale"] == "true"


async def test_without_the_exchange_what_is_too_old_is_an_unexpected_error(
    valkey: ValkeyServer,
) -> None:
    async with open_house(valkey) as house:
        await reply(house, "depth", symbol=BTC)
        house.desk.exchange.answers |= {"markets": AWAY, f"book {BTC}": AWAY}
        house.desk.clock.now += HARD_MS
        stale = await get(house, f"{MARKET}/depth", symbol=BTC)
        assert stale.headers["x-gateway-stale"] == "true"
        house.desk.clock.now += 1
        assert (await reply(house, "depth", symbol=BTC))["code"] == "90000"


async def test_what_the_exchange_refuses_is_told_in_its_words(valkey: ValkeyServer) -> None:
    async with open_house(valkey) as house:
        (listed, tickers) = house.desk.exchange.answers["markets"]
        gone = replace(listed.markets[0], symbol="GONEUSDT")
        house.desk.exchange.answers["markets"] = (replace(listed, markets=(gone,)), tickers)
        assert await reply(house, "depth", symbol=BTC) == UNKNOWN


PUBLIC = [path for (_, path), each in ENDPOINTS.items() if each.access is Access.PUBLIC]


@pytest.mark.parametrize("path", PUBLIC)
async def test_without_a_grant_nobody_reads_anything_unsigned_kept_or_not(
    valkey: ValkeyServer, path: str
) -> None:
    async with house_of(valkey.url, granted(*TRADER), journal=False) as house:
        house.desk.exchange.answers |= {f"rules {BTC}": RULES, f"top {BTC}": top(1)}
        assert (await house.ask("GET", path, symbol=BTC))["code"] == "00000"
        refused = reply_of(await get(house, path, symbol=BTC))
        assert refused == {"code": "20011", "msg": "API is not allowed to this action"}
