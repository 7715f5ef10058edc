"""The sandbox put together: engine, accounts, market maker, edges."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.clock import AdjustableClock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.control import Control
from gateway.sandbox.endpoints import Clock, Venue
from gateway.sandbox.engine import Engine
from gateway.sandbox.exchange import Exchange
from gateway.sandbox.faults import Faults
from gateway.sandbox.history import invent_history
from gateway.sandbox.hub import StreamHub
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.market_maker import HOUSE_ACCOUNTS, HOUSE_BALANCE, MarketMaker
from gateway.sandbox.record import Record
from gateway.sandbox.rest import RestEdge
from gateway.sandbox.streams import StreamEdge
from gateway.sandbox.truth import Truth

RECORD_LIMIT = 20_000
_ORDER_ID_BYTES = 36

Lifespan: TypeAlias = Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]

logger = logging.getLogger(__name__)


def create_app(config: SandboxConfig, real_clock: Clock) -> Starlette:
    """Build the exchange of ``config`` as an ASGI application; ``real_clock`` gives epoch ms.

    It needs the ``hang_up`` of the sandbox's own HTTP protocol for faults that drop a connection.
    """
    clock = AdjustableClock(real_clock)
    engine = _build_engine(config, clock())
    exchange = Exchange(Venue(engine, clock), Authenticator(config.accounts))
    hub = StreamHub(exchange, config.stream_queue)
    account_ids = [account.account_id for account in config.accounts]
    record = Record(account_ids, RECORD_LIMIT if config.control else 0)
    faults = Faults(Random(f"{config.seed}/faults"))
    owners = {key.api_key: one.account_id for one in config.accounts for key in one.keys}

    def publish() -> None:
        events = engine.take_events()
        record.note_events(events)
        hub.publish(events)

    routes: list[BaseRoute] = [
        WebSocketRoute("/v3", StreamEdge(hub).serve),
        Route(
            "/{path:path}",
            RestEdge(exchange, publish, faults, record, owners=owners, clock=clock),
        ),
    ]
    if config.control:
        control = Control(
            faults=faults,
            record=record,
            hub=hub,
            truth=Truth(engine, record, [*account_ids, *HOUSE_ACCOUNTS]),
            clock=clock,
            symbols=engine.markets,
        )
        routes.insert(0, control.mount())
    return Starlette(routes=routes, lifespan=_market_making(config, engine, clock, publish))


def _build_engine(config: SandboxConfig, now: int) -> Engine:
    """An engine with its accounts and, if asked for, an invented past."""
    ledger = Ledger()
    nothing = dict.fromkeys(config.assets, Decimal(0))
    for account in config.accounts:
        ledger.open_account(account.account_id, nothing | dict(account.balances))
    for house_account in HOUSE_ACCOUNTS:
        ledger.open_account(house_account, dict.fromkeys(config.assets, HOUSE_BALANCE))
    # With the time in the seed, a sandbox started again does not repeat the ids of the last run.
    ids = Random(f"{config.seed}/orders/{now}")
    engine = Engine(
        config.markets,
        ledger,
        new_order_id=lambda: ids.randbytes(_ORDER_ID_BYTES).hex(),
    )
    if config.history:
        for symbol, market in engine.markets.items():
            rng = Random(f"{config.seed}/history/{symbol}")
            invent_history(engine.tapes[symbol], market, rng, now)
    return engine


def _market_making(
    config: SandboxConfig, engine: Engine, clock: Clock, publish: Callable[[], None]
) -> Lifespan:
    """The application's life: the market maker trades as long as it lasts."""

    async def trade() -> None:
        maker = MarketMaker(engine, Random(f"{config.seed}/maker"))
        maker.open(clock())
        while True:
            publish()
            await asyncio.sleep(config.tick_seconds)
            maker.tick(clock())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if not config.market_maker:
            yield
            return
        task = asyncio.create_task(trade())
        task.add_done_callback(_report_failure)
        yield
        task.cancel()
        await asyncio.wait([task])

    return lifespan


def _report_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("the market maker has stopped", exc_info=error)
