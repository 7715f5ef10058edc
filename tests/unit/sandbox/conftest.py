from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from gateway.sandbox import RunningSandbox, SandboxConfig, default_markets, serve
from gateway.sandbox.engine import Engine
from tests.unit.sandbox.clients import ANN, BOB, Trader, build_engine


@pytest.fixture
def engine() -> Engine:
    return build_engine(ANN, BOB)


# Without a market maker and without a past, a sandbox does only what it is told.
MARKETS = default_markets()
CONFIG = SandboxConfig(
    port=0,
    accounts=(ANN, BOB),
    market_maker=False,
    history=False,
    control=True,
    registered_addresses_only=False,
    markets=MARKETS | {"HOTTRY": replace(MARKETS["HOTTRY"], enabled=False)},
)


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve(CONFIG) as running:
        yield running


@pytest.fixture(scope="module")
async def still_http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sandbox that many tests share because none of them changes anything."""
    async with (
        serve(CONFIG) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
def still_ann(still_http: httpx.AsyncClient) -> Trader:
    return Trader(still_http, ANN.keys[0].api_key, ANN.keys[0].api_secret)


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        yield client


@pytest.fixture
def ann(http: httpx.AsyncClient) -> Trader:
    return Trader(http, ANN.keys[0].api_key, ANN.keys[0].api_secret)


@pytest.fixture
def bob(http: httpx.AsyncClient) -> Trader:
    return Trader(http, BOB.keys[0].api_key, BOB.keys[0].api_secret)
