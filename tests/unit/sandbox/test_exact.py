"""What a running sandbox answers and streams has every digit, in the largest world there may be."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal, localcontext

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from gateway.sandbox import RunningSandbox, serve
from tests.unit.sandbox.clients import ANN, BOB, Trader, next_frame
from tests.unit.sandbox.conftest import CONFIG
from tests.unit.sandbox.worlds import EXTREME, SYMBOL

pytestmark = pytest.mark.anyio

PRICE, QUANTITY = Decimal("987.65432109"), Decimal("999999999.99999999")


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    config = replace(
        CONFIG,
        accounts=tuple(replace(account, balances=EXTREME.start) for account in (ANN, BOB)),
        markets={SYMBOL: EXTREME.market},
        transfer_step_ms=0,
    )
    async with serve(config) as running:
        yield running


async def test_trades_and_deposits_are_in_wallet_and_on_stream_to_the_last_digit(
    sandbox: RunningSandbox, http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    with localcontext(prec=100):
        fee = PRICE * QUANTITY * EXTREME.market.maker_fee_percent / 100
        paid = EXTREME.start["USDT"] + PRICE * QUANTITY - fee
        topped_up = paid + Decimal("0.00000001")
    async with connect(sandbox.stream_url) as stream:
        await stream.send(ann.login_frame())
        await ann.limit("sell", str(PRICE), str(QUANTITY))
        await bob.limit("buy", str(PRICE), str(QUANTITY))
        assert await next_available(stream) == paid
        deposit = {"account": "ann", "asset": "USDT", "quantity": "0.00000001"}
        (await http.post("/control/deposits", json=deposit)).raise_for_status()
        assert await next_available(stream) == topped_up
    assert (await ann.wallet())["USDT"]["total"] == topped_up
    (trade,) = (await ann.call("GET", "market/user-trades"))["trades"]
    assert trade["commission"] == fee


async def next_available(stream: ClientConnection) -> Decimal:
    """The USDT of the next frame that tells of them."""
    while True:
        match await next_frame(stream):
            case {"type": "balanceUpdate", "symbol": "USDT", "available": Decimal() as available}:
                return available
