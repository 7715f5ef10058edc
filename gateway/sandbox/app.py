"""The sandbox put together: engine, accounts, market maker, edges."""

from collections.abc import Callable
from dataclasses import dataclass
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
from gateway.sandbox.record import Received, Record
from gateway.sandbox.rest import RestEdge
from gateway.sandbox.streams import StreamEdge
from gateway.sandbox.treasury import Treasury
from gateway.sandbox.truth import Truth

RECORD_LIMIT = 200_000
_ID_BYTES = 36


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the edges and the work in the background share."""

    config: SandboxConfig
    clock: AdjustableClock
    venue: Venue
    hub: StreamHub
    record: Record
    faults: Faults

    def publish(self, cause: Received | None = None) -> None:
        """Record what happened since the last call, and tell whoever listens."""
        events = self.venue.engine.take_events()
        self.record.note_events(events, cause)
        self.hub.publish(events)


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
    parts = _Parts(
        config=config,
        clock=clock,
        venue=venue,
        hub=StreamHub(exchange, config.stream_queue, config.stream_order_ids),
        record=Record(config.account_ids, RECORD_LIMIT if config.control else 0),
        faults=Faults(Random(f"{config.seed}/faults")),
    )
    return Starlette(
        routes=_routes(parts, exchange),
        lifespan=working(lambda: _work(parts)),
        exception_handlers={**BODY_FAULTS, **CONTROL_FAULTS},
        middleware=[Middleware(ExactArithmetic)],
    )


def _routes(parts: _Parts, exchange: Exchange) -> list[BaseRoute]:
    accounts = parts.config.accounts
    owners = {key.api_key: one.account_id for one in accounts for key in one.keys}
    rest = RestEdge(
        exchange, parts.publish, parts.faults, parts.record, owners=owners, clock=parts.clock
    )
    routes = [WebSocketRoute("/v3", StreamEdge(parts.hub).serve), Route("/{path:path}", rest)]
    return [_control(parts).mount(), *routes] if parts.config.control else routes


def _control(parts: _Parts) -> Control:
    return Control(
        venue=parts.venue,
        publish=parts.publish,
        faults=parts.faults,
        record=parts.record,
        hub=parts.hub,
        truth=Truth(parts.venue, parts.record, [*parts.config.account_ids, *HOUSE_ACCOUNTS]),
        clock=parts.clock,
    )


def _work(parts: _Parts) -> dict[str, Work]:
    config, clock, venue = parts.config, parts.clock, parts.venue
    work = {
        "moving transfers": move_transfers(venue.treasury.transfers, clock, parts.publish),
        "renewing tickers": renew_tickers(parts.hub.publish_tickers),
    }
    if config.market_maker:
        maker = MarketMaker(venue.engine, Random(f"{config.seed}/maker"))
        work["market making"] = make_market(maker, clock, parts.publish, config.tick_seconds)
    return work


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
