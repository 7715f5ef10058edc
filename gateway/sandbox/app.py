"""The sandbox put together: engine, accounts, market maker, edges."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.background import Work, make_market, move_transfers, renew_tickers, working
from gateway.sandbox.bodies import BODY_FAULTS
from gateway.sandbox.clock import AdjustableClock
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.control import CONTROL_FAULTS, Control
from gateway.sandbox.endpoints import Clock, Venue
from gateway.sandbox.engine import Engine
from gateway.sandbox.exact import ExactArithmetic
from gateway.sandbox.exchange import Exchange
from gateway.sandbox.faults import Faults
from gateway.sandbox.history import invent_history
from gateway.sandbox.hub import StreamHub
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.market_maker import HOUSE_ACCOUNTS, HOUSE_BALANCE, MarketMaker
from gateway.sandbox.record import Record
from gateway.sandbox.rest import RestEdge
from gateway.sandbox.streams import StreamEdge
from gateway.sandbox.treasury import Treasury
from gateway.sandbox.truth import Truth

RECORD_LIMIT = 20_000
_ID_BYTES = 36


def create_app(config: SandboxConfig, real_clock: Clock) -> Starlette:
    """Build the exchange of ``config`` as an ASGI application; ``real_clock`` gives epoch ms.

    It needs the ``hang_up`` of the sandbox's own HTTP protocol for faults that drop a connection.
    """
    clock = AdjustableClock(real_clock)
    now = clock()
    engine = _build_engine(config, now)
    treasury = Treasury(config, engine.ledger, _ids(config.seed, "transfers", now), now)
    venue = Venue(engine, clock, treasury)
    exchange = Exchange(venue, Authenticator(config.accounts))
    hub = StreamHub(exchange, config.stream_queue, config.stream_order_ids)
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
            venue=venue,
            publish=publish,
            faults=faults,
            record=record,
            hub=hub,
            truth=Truth(venue, record, [*account_ids, *HOUSE_ACCOUNTS]),
            clock=clock,
        )
        routes.insert(0, control.mount())

    def start() -> dict[str, Work]:
        work = {
            "moving transfers": move_transfers(treasury.transfers, clock, publish),
            "renewing tickers": renew_tickers(hub.publish_tickers),
        }
        if config.market_maker:
            maker = MarketMaker(engine, Random(f"{config.seed}/maker"))
            work["market making"] = make_market(maker, clock, publish, config.tick_seconds)
        return work

    return Starlette(
        routes=routes,
        lifespan=working(start),
        exception_handlers={**BODY_FAULTS, **CONTROL_FAULTS},
        middleware=[Middleware(ExactArithmetic)],
    )


def _build_engine(config: SandboxConfig, now: int) -> Engine:
    """An engine with its accounts and, if asked for, an invented past."""
    ledger = Ledger()
    nothing = dict.fromkeys(config.assets, Decimal(0))
    for account in config.accounts:
        ledger.open_account(account.account_id, nothing | dict(account.balances))
    for house_account in HOUSE_ACCOUNTS:
        ledger.open_account(house_account, dict.fromkeys(config.assets, HOUSE_BALANCE))
    engine = Engine(config.markets, ledger, _ids(config.seed, "orders", now))
    if config.history:
        for symbol, market in engine.markets.items():
            rng = Random(f"{config.seed}/history/{symbol}")
            invent_history(engine.tapes[symbol], market, rng, now)
    return engine


def _ids(seed: int, use: str, now: int) -> Callable[[], str]:
    """Make ids for one use; with the time in their seed, the next run does not repeat them."""
    rng = Random(f"{seed}/{use}/{now}")
    return lambda: rng.randbytes(_ID_BYTES).hex()
