"""Everything that orders and accounts take, over an exchange that is made up."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from gateway.access.policy import Action, Policy, Principal, PrincipalKind
from gateway.access.principal import Caller
from gateway.domain.errors import UnknownAccount
from gateway.domain.signing import Sign
from gateway.exchange import ExchangeClient
from gateway.metrics import Metrics
from gateway.services.account_events import AccountEvents
from gateway.services.account_stream import AccountStream
from gateway.services.account_streams import AccountStreams
from gateway.services.accounts import Accounts
from gateway.services.authority import Authority
from gateway.services.cancels import Cancels
from gateway.services.closed_orders import ClosedOrders
from gateway.services.market_data import MarketData
from gateway.services.order_gate import OrderGate
from gateway.services.order_preparation import OrderPreparation, OrderTiming
from gateway.services.orders import Orders
from gateway.services.ownership import Ownership
from gateway.services.placements import Placements, Placing
from gateway.services.recent_placements import RecentPlacements
from gateway.services.signed_reads import SignedReads
from gateway.store.account_events import AccountEventStore
from gateway.store.durability import Durability
from gateway.store.journal import OrderJournal
from gateway.store.redis import open_redis
from tests.unit.services.examples import (
    APP,
    BTC,
    Clock,
    StandInExchange,
    listing,
    order,
    policy,
    sign,
)
from tests.unit.services.governing import (
    StandInAudit,
    StandInBaselines,
    StandInLimiter,
    StandInRates,
    StandInRisk,
    StandInSwitch,
    authority_of,
)
from tests.unit.services.test_market_data import desk_of as market_desk

OTHER = Principal("other-app", PrincipalKind.APP)
CALLER = Caller(APP, "a" * 32)
OTHER_CALLER = Caller(OTHER, "b" * 32)
TRADER = policy(Action.ORDERS_PLACE, Action.ORDERS_CANCEL, Action.ORDERS_READ_ALL)


@dataclass(frozen=True)
class Watch:
    """What watches over the uses."""

    audit: StandInAudit = field(default_factory=StandInAudit)
    switch: StandInSwitch = field(default_factory=StandInSwitch)
    rates: StandInRates = field(default_factory=StandInRates)
    limiter: StandInLimiter = field(default_factory=StandInLimiter)
    risk: StandInRisk = field(default_factory=StandInRisk)
    baselines: StandInBaselines = field(default_factory=StandInBaselines)


@dataclass(frozen=True)
class Trading:
    """The use cases of orders and accounts."""

    authority: Authority
    recent: RecentPlacements
    accounts: Accounts
    gate: OrderGate
    placements: Placements
    orders: Orders
    closed: ClosedOrders
    cancels: Cancels


def signer(account: str) -> Sign:
    """There is a key of one account."""
    if account != "demo":
        raise UnknownAccount(account)
    return sign


def reads_of(watch: Watch) -> SignedReads:
    return SignedReads(signer, watch.rates.rates, watch.audit.trail)


def streams_of(streams: Mapping[str, AccountStream]) -> AccountStreams:
    """The streams of accounts, which the test runs itself."""
    made = AccountStreams(streams.__getitem__, UnknownAccount)
    made.set_accounts(streams)
    return made


def trading_of(  # noqa: PLR0913 - each is a part of a replica
    *,
    exchange: ExchangeClient,
    granted: Callable[[], Policy],
    market_data: MarketData,
    journal: OrderJournal,
    events: AccountEventStore,
    clock: Clock,
    metrics: Metrics,
    watch: Watch,
    streams: Mapping[str, AccountStream],
    ready_within_s: float = 60,
) -> Trading:
    """Put the use cases together as the app does."""
    recent, placing, reads = RecentPlacements(), Placing(), reads_of(watch)
    followed = streams_of(streams)
    ownership = Ownership(journal=journal, recent=recent, policy=granted)
    authority = authority_of(granted, watch.audit, metrics)
    accounts = Accounts(
        exchange=exchange,
        reads=reads,
        streams=followed,
        ownership=ownership,
        events=AccountEvents(events),
    )
    gate = OrderGate(
        authority=authority,
        switch=watch.switch.switch,
        ownership=ownership,
        rates=watch.rates.rates,
        limiter=watch.limiter.limiter,
    )
    placements = Placements(authority=authority, journal=journal, recent=recent, placing=placing)
    preparation = OrderPreparation(
        gate=gate,
        market_data=market_data,
        baselines=watch.baselines.baselines,
        risk=watch.risk.risk,
        signer=signer,
        exchange=exchange,
        journal=journal,
        audit=watch.audit.trail,
        owner=os.urandom(4).hex(),
        now=clock,
        random_bytes=os.urandom,
        timing=OrderTiming(ready_within_s=ready_within_s, lease=30_000, unknown=30_000),
    )
    orders = Orders(
        preparation=preparation,
        placing=placing,
        accounts=accounts,
        market_data=market_data,
        exchange=exchange,
        journal=journal,
        audit=watch.audit.trail,
        recent=recent,
        now=clock,
        metrics=metrics,
    )
    closed = ClosedOrders(
        streams=followed,
        events=events,
        journal=journal,
        recent=recent,
        exchange=exchange,
        reads=reads,
    )
    cancels = Cancels(
        gate=gate,
        accounts=accounts,
        market_data=market_data,
        closed=closed,
        signer=signer,
        exchange=exchange,
        audit=watch.audit.trail,
        metrics=metrics,
        guard_ms=5_000,
    )
    return Trading(authority, recent, accounts, gate, placements, orders, closed, cancels)


def journal_on(redis: Redis, retry_s: float = 0.5) -> OrderJournal:
    """A journal on a server that is durable."""
    durability = Durability(None, None, "run")
    return OrderJournal(redis, server=lambda: "run", durability=lambda: durability, retry_s=retry_s)


@dataclass
class Desk:
    """One replica with a real journal."""

    trading: Trading
    exchange: StandInExchange
    journal: OrderJournal
    clock: Clock
    metrics: Metrics
    watch: Watch

    @property
    def orders(self) -> Orders:
        return self.trading.orders

    @property
    def accounts(self) -> Accounts:
        return self.trading.accounts

    @property
    def placements(self) -> Placements:
        return self.trading.placements

    @property
    def cancels(self) -> Cancels:
        return self.trading.cancels

    def count(self, what: str, outcome: str) -> float:
        name = f"gateway_{what}_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0


@asynccontextmanager
async def desk_of(
    url: str, granted: Policy = TRADER, *, patience_s: float = 20, ready_within_s: float = 60
) -> AsyncIterator[Desk]:
    """A desk whose journal is in the Redis at `url`."""
    market, metrics, watch = market_desk(), Metrics(), Watch()
    market.exchange.answers |= {
        "markets": listing(BTC),
        "place": order("placed"),
        "cancel": order("placed"),
    }
    async with open_redis(
        url, connect_timeout=patience_s, command_timeout=patience_s, max_connections=8
    ) as redis:
        journal = journal_on(redis)
        trading = trading_of(
            exchange=market.exchange.client,
            granted=lambda: granted,
            market_data=market.market_data,
            journal=journal,
            events=AccountEventStore(redis, 1000),
            clock=market.clock,
            metrics=metrics,
            watch=watch,
            streams={},
            ready_within_s=ready_within_s,
        )
        yield Desk(trading, market.exchange, journal, market.clock, metrics, watch)
        await trading.orders.aclose(0)
        await trading.cancels.aclose(0)
        await trading.accounts.aclose()
