import asyncio
import logging
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from starlette.applications import Starlette

from gateway.sandbox.assets import default_assets
from gateway.sandbox.background import make_market, move_transfers, renew_tickers, working
from gateway.sandbox.engine import Engine
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.market_maker import HOUSE_ACCOUNTS, HOUSE_BALANCE, MarketMaker
from gateway.sandbox.transfers import Transfers
from tests.unit.sandbox.clients import NOW

pytestmark = pytest.mark.anyio

BTC = default_assets()["BTC"]


class Publications:
    """Counts the calls of ``publish`` and lets a test wait for them."""

    def __init__(self) -> None:
        self.count = 0
        self._came = asyncio.Event()

    def publish(self) -> None:
        self.count += 1
        self._came.set()

    async def until(self, count: int) -> None:
        while self.count < count:
            self._came.clear()
            await self._came.wait()


def build_transfers() -> tuple[Ledger, Transfers]:
    ledger = Ledger()
    ledger.open_account("ann", {})
    return ledger, Transfers(ledger, 1000, lambda: "1" * 72)


async def test_transfers_go_on_by_the_clock_and_are_published() -> None:
    ledger, transfers = build_transfers()
    transfers.deposit("ann", BTC, Decimal(2), NOW)
    seconds = iter(range(60))
    published = Publications()
    life = working(
        lambda: {
            "transfers": move_transfers(
                transfers, lambda: NOW + next(seconds) * 1000, published.publish
            )
        }
    )
    async with life(Starlette()):
        await published.until(4)
    assert ledger.balance("ann", "BTC").available == 2


async def test_the_market_maker_quotes_before_anybody_is_told_and_goes_on(engine: Engine) -> None:
    for name in HOUSE_ACCOUNTS:
        engine.ledger.open_account(name, dict.fromkeys(default_assets(), HOUSE_BALANCE))
    maker = MarketMaker(engine, Random(1))
    published = Publications()
    quoted: list[bool] = []

    def publish() -> None:
        quoted.append(all(book.bids.best() for book in engine.books.values()))
        published.publish()

    async with working(lambda: {"maker": make_market(maker, lambda: NOW, publish, 0)})(Starlette()):
        await published.until(3)
    assert quoted[0]


async def test_statistics_are_renewed_as_long_as_it_runs() -> None:
    published = Publications()
    async with working(lambda: {"tickers": renew_tickers(published.publish)})(Starlette()):
        await published.until(2)


async def test_work_that_fails_is_logged_and_the_other_work_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, transfers = build_transfers()
    lost = replace(BTC, symbol="LOST")
    transfers.expect("nobody", lost, Decimal(1), NOW)
    transfers.advance(NOW)
    _, sound = build_transfers()
    published = Publications()
    life = working(
        lambda: {
            "doomed": move_transfers(transfers, lambda: NOW + 60_000, published.publish),
            "sound": move_transfers(sound, lambda: NOW, published.publish),
        }
    )
    with caplog.at_level(logging.ERROR):
        async with life(Starlette()):
            await published.until(3)
    (record,) = caplog.records
    assert record.getMessage() == "doomed has stopped"
    assert record.exc_info
