"""Many equal questions at once, of which nothing is known yet."""

import asyncio

import httpx
import pytest

from tests.faults.conftest import StartGateway
from tests.functional.exchange import Exchange, Json
from tests.functional.service import Service

MARKETS = "{ markets { symbol ticker { last } } }"
DETAILS = """{ market(symbol: "BTCUSDT") { ticker { last } rules { minTotal } topOfBook { symbol }
  orderBook { symbol } candles(interval: M5) { symbol } trades { symbol } } }"""


async def ask_at_once(service: Service, queries: list[str]) -> list[Json]:
    async with httpx.AsyncClient(
        base_url=service.http.base_url,
        headers=service.caller().headers,
        limits=httpx.Limits(max_connections=len(queries)),
        timeout=30,
        trust_env=False,
    ) as http:
        asked = (http.post("/graphql", json={"query": query}) for query in queries)
        return [response.json() for response in await asyncio.gather(*asked)]


@pytest.mark.anyio
async def test_two_hundred_equal_cold_queries_cause_one_request_for_each_key(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    exchange.streams("mute")  # or the feed, once subscribed, reads the market list by itself
    service = start_gateway()
    exchange.http.delete("/control/requests").raise_for_status()
    with exchange.fault("market/markets", delayMs=300):
        answers = await ask_at_once(service, [MARKETS, DETAILS] * 100)
    for answer, again in zip(answers, answers[2:], strict=False):
        assert answer["data"] == again["data"]
        assert "errors" not in answer
    assert len(answers[0]["data"]["markets"]) == 15
    counts = exchange.http.get("/control/requests").json()["counts"]
    assert {path: count for path, count in counts.items() if "market/" in path} == {
        f"v3/api/market/{endpoint}": 1
        for endpoint in ("markets", "info", "orderbook", "depth", "candles", "trades")
    }
