"""What callers can do, put together from the stores, the exchange and what watches over both."""

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.app.foundation import Foundation
from gateway.app.given import wall_ms
from gateway.domain.market import Market
from gateway.schema.context import Services
from gateway.services.account_events import AccountEvents
from gateway.services.account_rereads import AccountRereads
from gateway.services.accounts import Accounts
from gateway.services.baselines import Baselines
from gateway.services.cancel_all import CancelAll
from gateway.services.cancels import Cancels
from gateway.services.closed_orders import ClosedOrders
from gateway.services.dead_man import DeadManSwitches
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.market_data import MarketData, MarketView
from gateway.services.market_memory import MarketMemory
from gateway.services.order_gate import OrderGate
from gateway.services.order_limits import OrderLimiter
from gateway.services.order_preparation import OrderPreparation, OrderTiming
from gateway.services.orders import Orders
from gateway.services.ownership import Ownership
from gateway.services.placements import Placements, Placing
from gateway.services.recent_placements import RecentPlacements
from gateway.services.resolving import ResolvePlacements
from gateway.services.risk import RiskRules
from gateway.services.streams import StreamHub


@dataclass(frozen=True, slots=True)
class Trade:
    """What the use cases of orders share, and what a leader does for an account needs."""

    base: Foundation
    market_data: MarketData
    recent: RecentPlacements
    events: AccountEvents
    accounts: Accounts
    risk: RiskRules
    gate: OrderGate
    closed: ClosedOrders
    cancels: Cancels
    cancel_all: CancelAll
    dead_man: DeadManSwitches

    async def market(self, symbol: str) -> Market:
        """A market by its symbol; raises `UnknownSymbol` and `SourceUnavailable`."""
        return await MarketView(self.market_data, wall_ms).market(symbol)


def build_trade(stack: AsyncExitStack, base: Foundation) -> Trade:
    """Build it; what it has under way ends with `stack`, in the reverse order."""
    stores, upstream = base.stores, base.upstream
    recent = RecentPlacements()
    ownership = Ownership(journal=stores.journal, recent=recent, policy=base.given.policy)
    events = AccountEvents(stores.events)
    accounts = Accounts(
        exchange=upstream.exchange,
        reads=upstream.reads,
        streams=upstream.account_streams,
        ownership=ownership,
        events=events,
    )
    market_data = _market_data(base)
    rereads = AccountRereads(upstream.exchange, upstream.reads)
    risk = RiskRules(market_data=market_data, rereads=rereads, now=wall_ms)
    limiter = OrderLimiter(
        market_data=market_data, budgets=stores.budgets, rereads=rereads, now=wall_ms
    )
    for part in (limiter, risk, accounts):
        stack.push_async_callback(part.aclose)
    gate = _gate(base, ownership, limiter)
    closed = _closed(base, recent)
    cancels = _cancels(base, gate, accounts, market_data, closed)
    cancel_all = _cancel_all(base, cancels, recent)
    return Trade(
        base=base,
        market_data=market_data,
        recent=recent,
        events=events,
        accounts=accounts,
        risk=risk,
        gate=gate,
        closed=closed,
        cancels=cancels,
        cancel_all=cancel_all,
        dead_man=_dead_man(base, cancel_all),
    )


def build_services(stack: AsyncExitStack, trade: Trade) -> Services:
    """What resolvers call; what it has under way ends with `stack`."""
    base = trade.base
    governance, upstream, journal = base.governance, base.upstream, base.stores.journal
    placing = Placing()
    streams = _streams(trade)
    stack.push_async_callback(streams.aclose)
    return Services(
        market_data=trade.market_data,
        streams=streams,
        policy=base.given.policy,
        authority=governance.authority,
        accounts=trade.accounts,
        account_events=trade.events,
        orders=_orders(trade, placing),
        cancels=trade.cancels,
        cancel_all=trade.cancel_all,
        dead_man=trade.dead_man,
        placements=Placements(
            authority=governance.authority, journal=journal, recent=trade.recent, placing=placing
        ),
        resolving=_resolving(trade),
        journal_quarantine=journal.quarantine,
        trading_switch=governance.switch,
        rates=governance.rates,
        audit=governance.audit,
        exchange=ExchangeStatus(upstream.exchange, upstream.clock, upstream.feed, wall_ms),
        now=wall_ms,
    )


def _streams(trade: Trade) -> StreamHub:
    settings = trade.base.given.settings
    return StreamHub(
        feed=trade.base.upstream.feed,
        market_data=trade.market_data,
        queue_size=settings.stream_queue,
        linger_s=settings.feed_linger_s,
        now=wall_ms,
    )


def _gate(base: Foundation, ownership: Ownership, limiter: OrderLimiter) -> OrderGate:
    governance = base.governance
    return OrderGate(
        authority=governance.authority,
        switch=governance.switch,
        ownership=ownership,
        rates=governance.rates,
        limiter=limiter,
    )


def _orders(trade: Trade, placing: Placing) -> Orders:
    base = trade.base
    return Orders(
        preparation=_preparation(trade),
        placing=placing,
        accounts=trade.accounts,
        market_data=trade.market_data,
        exchange=base.upstream.exchange,
        journal=base.stores.journal,
        audit=base.governance.audit,
        recent=trade.recent,
        now=wall_ms,
        metrics=base.given.metrics,
    )


def _preparation(trade: Trade) -> OrderPreparation:
    base, upstream = trade.base, trade.base.upstream
    settings = base.given.settings
    return OrderPreparation(
        gate=trade.gate,
        market_data=trade.market_data,
        baselines=Baselines(
            streams=upstream.account_streams,
            exchange=upstream.exchange,
            reads=upstream.reads,
            market=trade.market,
            exchange_now=upstream.clock.now,
        ),
        risk=trade.risk,
        signer=base.given.keyring.signer,
        exchange=upstream.exchange,
        journal=base.stores.journal,
        audit=base.governance.audit,
        owner=base.governance.replica,
        now=wall_ms,
        random_bytes=os.urandom,
        timing=OrderTiming(
            ready_within_s=settings.order_window_ms / 1000,
            lease=int(settings.order_lease_s * 1000),
            unknown=int((settings.order_guard_s + settings.resolve_within_s) * 1000),
        ),
    )


def _closed(base: Foundation, recent: RecentPlacements) -> ClosedOrders:
    return ClosedOrders(
        streams=base.upstream.account_streams,
        events=base.stores.events,
        journal=base.stores.journal,
        recent=recent,
        exchange=base.upstream.exchange,
        reads=base.upstream.reads,
    )


def _cancels(
    base: Foundation,
    gate: OrderGate,
    accounts: Accounts,
    market_data: MarketData,
    closed: ClosedOrders,
) -> Cancels:
    return Cancels(
        gate=gate,
        accounts=accounts,
        market_data=market_data,
        closed=closed,
        signer=base.given.keyring.signer,
        exchange=base.upstream.exchange,
        audit=base.governance.audit,
        metrics=base.given.metrics,
        guard_ms=int(base.given.settings.order_guard_s * 1000),
    )


def _cancel_all(base: Foundation, cancels: Cancels, recent: RecentPlacements) -> CancelAll:
    return CancelAll(
        authority=base.governance.authority,
        cancels=cancels,
        journal=base.stores.journal,
        recent=recent,
        exchange=base.upstream.exchange,
        reads=base.upstream.reads,
        audit=base.governance.audit,
    )


def _dead_man(base: Foundation, cancel_all: CancelAll) -> DeadManSwitches:
    return DeadManSwitches(
        store=base.stores.dead_man,
        authority=base.governance.authority,
        cancel_all=cancel_all,
        audit=base.governance.audit,
        random_bytes=os.urandom,
        ready_within_s=base.given.settings.order_window_ms / 1000,
        on_fired=base.given.metrics.dead_man_fired.inc,
    )


def _resolving(trade: Trade) -> ResolvePlacements:
    base = trade.base
    return ResolvePlacements(
        journal=base.stores.journal,
        reads=base.upstream.reads,
        exchange=base.upstream.exchange,
        closed=trade.closed,
        policy=base.given.policy,
        audit=base.governance.audit,
        exchange_now=base.upstream.clock.now,
    )


def _market_data(base: Foundation) -> MarketData:
    settings = base.given.settings
    return MarketData(
        exchange=base.upstream.exchange,
        cache=base.stores.cache,
        memory=MarketMemory(lifetime=settings.lifetime, now=wall_ms, capacity=settings.cache_rows),
        lifetime=settings.lifetime,
        now=wall_ms,
        rates=base.governance.rates,
        metrics=base.given.metrics,
    )
