"""What callers can do, put together from the stores, the exchange and what watches over both."""

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.app.foundation import Foundation
from gateway.app.given import wall_ms
from gateway.domain.orders import Order
from gateway.schema.context import Services
from gateway.services.accounts import Accounts
from gateway.services.cancels import Cancels
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.market_data import MarketData
from gateway.services.market_memory import MarketMemory
from gateway.services.order_gate import OrderGate
from gateway.services.order_limits import OrderLimiter
from gateway.services.orders import Orders
from gateway.services.ownership import Ownership
from gateway.services.placements import Placements, Placing
from gateway.services.recent_placements import RecentPlacements
from gateway.services.streams import StreamHub


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the use cases of orders and accounts share."""

    base: Foundation
    market_data: MarketData
    recent: RecentPlacements
    ownership: Ownership
    accounts: Accounts
    limiter: OrderLimiter


def build_services(stack: AsyncExitStack, base: Foundation) -> Services:
    """Build them; what they have under way ends with `stack`, in the reverse order."""
    governance, upstream = base.governance, base.upstream
    shared = _shared(base)
    streams = _streams(shared)
    for part in (shared.limiter, shared.accounts, streams):
        stack.push_async_callback(part.aclose)
    gate = _gate(shared)
    placing = Placing()
    placements = Placements(
        authority=governance.authority,
        journal=base.stores.journal,
        recent=shared.recent,
        placing=placing,
        now=wall_ms,
    )
    return Services(
        market_data=shared.market_data,
        streams=streams,
        policy=base.given.policy,
        authority=governance.authority,
        accounts=shared.accounts,
        orders=_orders(shared, gate, placements, placing),
        cancels=_cancels(shared, gate),
        placements=placements,
        trading_switch=governance.switch,
        rates=governance.rates,
        audit=governance.audit,
        exchange=ExchangeStatus(upstream.exchange, upstream.clock, upstream.feed, wall_ms),
        now=wall_ms,
    )


def _shared(base: Foundation) -> _Shared:
    upstream = base.upstream
    recent = RecentPlacements()
    ownership = Ownership(journal=base.stores.journal, recent=recent, policy=base.given.policy)
    market_data = _market_data(base)
    return _Shared(
        base=base,
        market_data=market_data,
        recent=recent,
        ownership=ownership,
        accounts=Accounts(
            exchange=upstream.exchange,
            reads=upstream.reads,
            streams=upstream.account_streams,
            ownership=ownership,
        ),
        limiter=_limiter(base, market_data),
    )


def _streams(shared: _Shared) -> StreamHub:
    settings = shared.base.given.settings
    return StreamHub(
        feed=shared.base.upstream.feed,
        market_data=shared.market_data,
        queue_size=settings.stream_queue,
        linger_s=settings.feed_linger_s,
        now=wall_ms,
    )


def _gate(shared: _Shared) -> OrderGate:
    governance = shared.base.governance
    return OrderGate(
        authority=governance.authority,
        switch=governance.switch,
        ownership=shared.ownership,
        rates=governance.rates,
        limiter=shared.limiter,
    )


def _orders(shared: _Shared, gate: OrderGate, placements: Placements, placing: Placing) -> Orders:
    base = shared.base
    return Orders(
        gate=gate,
        placements=placements,
        placing=placing,
        accounts=shared.accounts,
        market_data=shared.market_data,
        signer=base.given.keyring.signer,
        exchange=base.upstream.exchange,
        journal=base.stores.journal,
        audit=base.governance.audit,
        recent=shared.recent,
        now=wall_ms,
        random_bytes=os.urandom,
        ready_within_s=base.given.settings.order_window_ms / 1000,
        lease_ms=int(base.given.settings.order_lease_s * 1000),
        metrics=base.given.metrics,
    )


def _cancels(shared: _Shared, gate: OrderGate) -> Cancels:
    base = shared.base
    return Cancels(
        gate=gate,
        accounts=shared.accounts,
        signer=base.given.keyring.signer,
        exchange=base.upstream.exchange,
        audit=base.governance.audit,
        metrics=base.given.metrics,
    )


def _market_data(base: Foundation) -> MarketData:
    settings = base.given.settings
    return MarketData(
        exchange=base.upstream.exchange,
        cache=base.stores.cache,
        memory=MarketMemory(lifetime=settings.lifetime, now=wall_ms, capacity=settings.cache_rows),
        lifetime=settings.lifetime,
        now=wall_ms,
        metrics=base.given.metrics,
    )


def _limiter(base: Foundation, market_data: MarketData) -> OrderLimiter:
    upstream = base.upstream

    async def open_orders(account: str) -> tuple[Order, ...]:
        return await upstream.reads.read(account, upstream.exchange.open_orders)

    return OrderLimiter(
        market_data=market_data, budgets=base.stores.budgets, now=wall_ms, open_orders=open_orders
    )
