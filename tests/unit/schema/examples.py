"""The schema over stand-ins of the exchange and its stream."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from graphql import GraphQLSchema
from redis.asyncio import Redis

from gateway.access.policy import Action, Policy
from gateway.domain.account import DepositOptions, WithdrawalOptions
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import Placement, PlacementPage
from gateway.exchange import ExchangeClock
from gateway.metrics import Metrics
from gateway.schema import build_schema
from gateway.schema.context import Context, Services
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.limits import DocumentLimits
from gateway.schema.operation_groups import OperationGroups
from gateway.services.account_events import AccountEvents
from gateway.services.account_stream import AccountStream, AccountTiming
from gateway.services.cancel_all import CancelAll
from gateway.services.dead_man import DeadManSwitches
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.market_data import MarketData
from gateway.services.recent_placements import RecentPlacements
from gateway.services.resolving import ResolvePlacements
from gateway.services.streams import StreamHub
from gateway.store.account_events import AccountEventStore
from gateway.store.dead_man import DeadManStore
from gateway.store.journal import Look, OrderJournal
from gateway.store.journal_keys import Identity
from gateway.tracing import Spans
from tests.unit.services.desks import Watch, reads_of, trading_of
from tests.unit.services.examples import (
    APP,
    BTC,
    ETH,
    Clock,
    StandInExchange,
    StandInFeed,
    book,
    history,
    listing,
    order,
    policy,
    series,
    ticker,
    top,
)
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.store.examples import open_quick
from tests.unit.store.journals import journal_on

SCHEMA: GraphQLSchema = build_schema()
AWAY = "redis://127.0.0.1:1"
LIMITS = DocumentLimits(depth=8, aliases=15, fields=1000, tokens=1000, cost=25_000)
EVERYTHING = policy(*Action)


OPTIONS: dict[str, Any] = {
    "asset": "BTC",
    "name": "Bitcoin",
    "enabled": True,
    "minimum": Decimal("0.001"),
    "precision": 8,
    "channels": (),
}


class Journal:
    """A journal that takes every intent and shows none."""

    def __init__(self) -> None:
        self.begun: list[Placement] = []

    async def look(self, _principal_id: str, _command: PlaceOrder) -> Look:
        return Look(None, None, obstacle_sending=False, lane=0, asked_at=0)

    async def begin(self, intent: Placement, **_terms: object) -> Placement:
        self.begun.append(intent)
        return intent

    async def finish(self, placement: Placement) -> Placement:
        return placement

    async def get(self, _placement_id: str) -> None:
        return None

    async def refuse(self, _identity: Identity, _owner: str) -> None:
        return None

    async def lapse(self, _placement: Placement) -> None:
        return None

    async def quarantine(self, _account: str) -> None:
        return None

    async def of_orders(self, _account: str, _order_ids: list[str]) -> dict[str, Placement]:
        return {}

    async def page(self, *_owner: str, **_asked: object) -> PlacementPage:
        return PlacementPage((), None, has_next=False)

    async def writable(self, _account: str) -> bool:
        return True


@dataclass
class Desk:
    services: Services
    documents: Documents
    execution: Execution
    groups: OperationGroups
    exchange: StandInExchange
    feed: StandInFeed
    account_feed: StandInFeed
    market_data: MarketData
    metrics: Metrics
    clock: Clock
    journal: Journal | OrderJournal
    redis: Redis
    policy: Policy
    watch: Watch

    def context(self) -> Context:
        return Context(self.services, APP, "f" * 32)

    async def run(self, text: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        operation = self.documents.operation(text, None)
        return await self.execution.execute(operation, variables, self.context())


@asynccontextmanager
async def desk_of(
    granted: Policy = EVERYTHING, given: Journal | None = None, url: str | None = None
) -> AsyncIterator[Desk]:
    """A schema over a journal that is made up, or over a real one in the Redis at `url`."""
    async with open_quick(url or AWAY) as redis:
        journal = journal_on(redis) if url else given or Journal()
        async with _desk_on(redis, journal, granted) as desk:
            yield desk


@asynccontextmanager
async def _desk_on(
    redis: Redis, journal: Journal | OrderJournal, granted: Policy
) -> AsyncIterator[Desk]:
    market, feed, account_feed = market_desk(), StandInFeed(), StandInFeed()
    events = AccountEventStore(redis, most=1_000)
    market.exchange.answers |= {
        "markets": (listing(BTC, ETH), (ticker(1, BTC), ticker(2, ETH))),
        f"ticker {BTC}": ticker(1),
        f"book {BTC}": book(1),
        f"trades {BTC}": history(1, 2),
        f"candles {BTC}": series(1, 2),
        "open orders": (order("o1"),),
        "balances": (),
        "currencies": (),
        "deposit options BTC": DepositOptions(**OPTIONS),
        "withdrawal options BTC": WithdrawalOptions(**OPTIONS),
        "deposits": (),
        "withdrawals": (),
        "time": 1_000_000,
    }
    hub = StreamHub(
        feed=feed.feed,
        market_data=market.market_data,
        queue_size=100,
        linger_s=60,
        now=market.clock,
    )
    feed.receive = hub.receive
    client = market.exchange.client
    metrics, watch = Metrics(), Watch()
    stream = AccountStream(
        account="demo",
        feed=account_feed.feed,
        exchange=client,
        reads=reads_of(watch),
        queue_size=100,
        timing=AccountTiming(linger_s=60),
        exchange_now=lambda: None,
    )
    account_feed.receive = stream.receive
    execution = Execution(SCHEMA, Spans())
    desk: Desk
    trading = trading_of(
        exchange=client,
        granted=lambda: desk.policy,
        market_data=market.market_data,
        journal=cast("OrderJournal", journal),
        events=events,
        clock=market.clock,
        metrics=metrics,
        watch=watch,
        streams={"demo": stream},
    )
    clock = ExchangeClock(market.clock, lambda: 0.0)
    reads, kept = reads_of(watch), cast("OrderJournal", journal)
    cancel_all = CancelAll(
        authority=trading.authority,
        cancels=trading.cancels,
        journal=kept,
        recent=RecentPlacements(),
        exchange=client,
        reads=reads,
        audit=watch.audit.trail,
    )
    services = Services(
        market_data=market.market_data,
        streams=hub,
        policy=lambda: desk.policy,
        authority=trading.authority,
        accounts=trading.accounts,
        account_events=AccountEvents(events, every_s=0.005),
        orders=trading.orders,
        cancels=trading.cancels,
        cancel_all=cancel_all,
        dead_man=DeadManSwitches(
            store=DeadManStore(redis),
            authority=trading.authority,
            cancel_all=cancel_all,
            audit=watch.audit.trail,
            random_bytes=os.urandom,
            ready_within_s=0,
        ),
        placements=trading.placements,
        resolving=ResolvePlacements(
            journal=kept,
            reads=reads,
            exchange=client,
            closed=trading.closed,
            policy=lambda: desk.policy,
            audit=watch.audit.trail,
            exchange_now=market.clock,
        ),
        journal_quarantine=kept.quarantine,
        trading_switch=watch.switch.switch,
        rates=watch.rates.rates,
        audit=watch.audit.trail,
        exchange=ExchangeStatus(client, clock, feed.feed, market.clock),
        now=market.clock,
    )
    desk = Desk(
        services=services,
        documents=Documents(SCHEMA, LIMITS, capacity=10),
        execution=execution,
        groups=OperationGroups(execution, metrics),
        exchange=market.exchange,
        feed=feed,
        account_feed=account_feed,
        market_data=market.market_data,
        metrics=metrics,
        clock=market.clock,
        journal=journal,
        redis=redis,
        policy=granted,
        watch=watch,
    )
    try:
        yield desk
    finally:
        await desk.groups.aclose()
        await hub.aclose()


def codes(response: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in response.get("errors", ())]


__all__ = ["EVERYTHING", "LIMITS", "OPTIONS", "SCHEMA", "Desk", "codes", "desk_of", "top"]
