"""What an exchange does by itself as long as it runs: market making, transfers, 24h statistics."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from starlette.applications import Starlette

from gateway.sandbox.endpoints import Clock
from gateway.sandbox.market_maker import MarketMaker
from gateway.sandbox.transfers import Transfers

_TRANSFER_TICK_SECONDS = 0.05
_TICKER_TICK_SECONDS = 1

Lifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[None]]
Work: TypeAlias = Coroutine[None, None, None]

logger = logging.getLogger(__name__)


async def make_market(
    maker: MarketMaker, clock: Clock, publish: Callable[[], None], tick_seconds: float
) -> None:
    """Quote and trade for ever."""
    maker.open(clock())
    while True:
        publish()
        await asyncio.sleep(tick_seconds)
        maker.tick(clock())


async def move_transfers(transfers: Transfers, clock: Clock, publish: Callable[[], None]) -> None:
    """Bring deposits and withdrawals on for ever."""
    while True:
        transfers.advance(clock())
        publish()
        await asyncio.sleep(_TRANSFER_TICK_SECONDS)


async def renew_tickers(publish_tickers: Callable[[], None]) -> None:
    """Tell for ever what statistics become as the time goes by."""
    while True:
        publish_tickers()
        await asyncio.sleep(_TICKER_TICK_SECONDS)


def working(start: Callable[[], Mapping[str, Work]]) -> Lifespan:
    """An application's life in which this work, by its names, goes on; a failure is logged."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work, name=name) for name, work in start().items()]
        for task in tasks:
            task.add_done_callback(_report_failure)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    return lifespan


def _report_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("%s has stopped", task.get_name(), exc_info=error)
