"""An order that is given up, or met by a silent Redis, at each step: nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.access.policy import AccountRule, Member, Policy
from gateway.domain.audit import AuditKind
from gateway.domain.errors import GatewayError
from gateway.domain.placements import PlacementState
from gateway.metrics import Metrics
from gateway.services.audit import AuditTrail
from gateway.services.loops import kept_up
from gateway.services.order_limits import OrderLimiter
from gateway.services.trading_switch import TradingSwitch
from gateway.store.account_events import AccountEventStore
from gateway.store.audit_stream import AuditStream
from gateway.store.budgets import BudgetKey, Budgets
from gateway.store.journal import OrderJournal
from gateway.store.redis import open_redis
from gateway.store.switches import SwitchStore
from tests.unit.services.audit_examples import DAY_MS, in_redis
from tests.unit.services.audit_examples import Clock as WallClock
from tests.unit.services.desks import CALLER, Trading, Watch, journal_on, trading_of
from tests.unit.services.examples import APP, BTC, StandInExchange, command, listing, order
from tests.unit.services.governing import StandInBaselines, StandInRates, StandInRisk
from tests.unit.services.limiting import OpenOrders, grant, usdt
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.services.turnstile import Held, Turnstile, turnstile
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
KEY = BudgetKey("demo", "app", "trade")
GRANTED = Policy(
    revision="1",
    accounts=(AccountRule("demo"),),
    members=(Member(APP, (), (grant(day_notional=usdt("5000"), open_orders=3),)),),
    wall_ms=lambda: 0,
)
STEPS = {
    "the switches are read": (b"HGETALL", b"ngw:1:switch"),
    "what stands is looked up": (b"journal.look",),
    "it is put on record": (b"ngw:1:audit", b"SENDING"),
    "the budget is read": (b"GET", b"ngw:1:budget"),
    "it is recorded": (b"journal.begin",),
    "its outcome is put on record": (b"ngw:1:audit", b"ACCEPTED"),
    "its outcome is recorded": (b"journal.change",),
}
each_step = pytest.mark.parametrize("marks", STEPS.values(), ids=STEPS.keys())
either_way = pytest.mark.parametrize("held", Held, ids=lambda held: held.name.lower())


@dataclass(frozen=True)
class Desk:
    """Orders with all that counts, records or stops them for real, on one Valkey."""

    trading: Trading
    exchange: StandInExchange
    journal: OrderJournal
    budgets: Budgets
    audit: AuditTrail

    async def recorded(self) -> None:
        """Wait until nothing waits in memory any more."""
        await asyncio.gather(self.journal.caught_up(), self.audit.caught_up())


@asynccontextmanager
async def desk_of(way: Turnstile, patience_s: float) -> AsyncIterator[Desk]:
    market = market_desk()
    market.exchange.answers |= {"markets": listing(BTC), "place": order("placed")}
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(
            open_redis(
                way.url,
                connect_timeout=patience_s,
                command_timeout=patience_s,
                max_connections=8,
            )
        )
        journal, budgets = journal_on(redis, retry_s=0.02), Budgets(redis)
        audit = AuditTrail(
            stream=AuditStream(redis, retention_ms=DAY_MS * 365),
            file=None,
            writer="w-1",
            wall_ms=WallClock(),
            retry_s=0.02,
        )
        limiter = OrderLimiter(
            market_data=market.market_data,
            budgets=budgets,
            rereads=OpenOrders().rereads,
            now=market.clock,
        )
        switch = TradingSwitch(
            store=SwitchStore(redis), policy=lambda: GRANTED, audit=audit, wall_ms=market.clock
        )
        watch = SimpleNamespace(
            audit=SimpleNamespace(trail=audit),
            switch=SimpleNamespace(switch=switch),
            rates=StandInRates(),
            limiter=SimpleNamespace(limiter=limiter),
            risk=StandInRisk(),
            baselines=StandInBaselines(),
        )
        trading = trading_of(
            exchange=market.exchange.client,
            granted=lambda: GRANTED,
            market_data=market.market_data,
            journal=journal,
            events=AccountEventStore(redis, 1000),
            clock=market.clock,
            metrics=Metrics(),
            watch=cast("Watch", watch),
            streams={},
        )
        loops = {"audit": audit.run, "journal": journal.run}
        await stack.enter_async_context(kept_up(loops))
        desk = Desk(trading, market.exchange, journal, budgets, audit)
        await desk.recorded()
        yield desk
        await trading.orders.aclose(0)
        await limiter.aclose()


async def check(desk: Desk, server: ValkeyServer) -> None:
    """See that counts, record and audit log agree on whether the order was sent."""
    sent = desk.exchange.asked.count("place")
    budget = await desk.budgets.read(KEY)
    standing = await desk.journal.find(APP.id, "demo", "c-1")
    outcomes = [
        entry.event.outcome
        for entry in await in_redis(server)
        if entry.event.kind is AuditKind.ORDER
    ]
    if sent:
        assert standing is not None
        assert standing.state is S.ACCEPTED
        assert (set(budget.claims), budget.spent) == ({standing.id}, usdt("1000"))
        assert outcomes[-2:] == ["SENDING", "ACCEPTED"]
    else:
        assert standing is None or standing.state is S.NOT_SENT
        assert not budget.claims
        assert not budget.spent.get("USDT")
        assert "ACCEPTED" not in outcomes
    others = [outcome for outcome in outcomes if outcome != "SENDING"]
    assert len(others) == outcomes.count("SENDING")


async def repeat(desk: Desk, server: ValkeyServer) -> None:
    """See that an order which is asked for again has been sent once in the end."""
    await check(desk, server)
    assert (await desk.trading.orders.place(CALLER, command())).state is S.ACCEPTED
    await desk.recorded()
    assert desk.exchange.asked.count("place") == 1
    budget = await desk.budgets.read(KEY)
    assert (len(budget.claims), budget.spent) == (1, usdt("1000"))


@each_step
@either_way
async def test_an_order_that_is_given_up_leaves_nothing_behind(
    valkey: ValkeyServer, marks: tuple[bytes, ...], held: Held
) -> None:
    async with turnstile(valkey) as way, desk_of(way, patience_s=20) as desk:
        way.hold(held, *marks)
        placing = asyncio.create_task(desk.trading.orders.place(CALLER, command()))
        await way.reached.wait()
        await desk.trading.orders.aclose(0)
        await asyncio.gather(placing, return_exceptions=True)
        way.release()
        await desk.recorded()
        await repeat(desk, valkey)


@each_step
@either_way
async def test_an_order_that_meets_a_silent_redis_is_sent_once_or_not_at_all(
    valkey: ValkeyServer, marks: tuple[bytes, ...], held: Held
) -> None:
    async with turnstile(valkey) as way, desk_of(way, patience_s=0.3) as desk:
        way.hold(held, *marks)
        placing = asyncio.create_task(desk.trading.orders.place(CALLER, command()))
        await way.reached.wait()
        (outcome,) = await asyncio.gather(placing, return_exceptions=True)
        sent = desk.exchange.asked.count("place")
        assert isinstance(outcome, GatewayError) == (not sent)
        way.release()
        await desk.recorded()
        assert desk.exchange.asked.count("place") == sent
        await repeat(desk, valkey)
