"""What callers can do, put together from the stores, the exchange and what watches over both."""

import os
from contextlib import AsyncExitStack

from gateway.app.given import Given, wall_ms
from gateway.app.governance import Governance
from gateway.app.stores import Stores
from gateway.app.upstream import Upstream
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


def build_services(
    stack: AsyncExitStack, given: Given, stores: Stores, governance: Governance, upstream: Upstream
) -> Services:
    """Build them; what they have under way ends with `stack`, in the reverse order."""
    settings = given.settings
    market_data = _market_data(given, stores, upstream)
    streams = StreamHub(
        feed=upstream.feed,
        market_data=market_data,
        queue_size=settings.stream_queue,
        linger_s=settings.feed_linger_s,
        now=wall_ms,
    )
    recent, placing = RecentPlacements(), Placing()
    ownership = Ownership(journal=stores.journal, recent=recent, policy=given.policy)
    accounts = Accounts(
        exchange=upstream.exchange,
        reads=upstream.reads,
        streams=upstream.account_streams,
        ownership=ownership,
    )
    limiter = _limiter(stores, upstream, market_data)
    gate = OrderGate(
        authority=governance.authority,
        switch=governance.switch,
        ownership=ownership,
        rates=governance.rates,
        limiter=limiter,
        journal=stores.journal,
    )
    placements = Placements(
        authority=governance.authority,
        journal=stores.journal,
        recent=recent,
        placing=placing,
        now=wall_ms,
    )
    for part in (limiter, accounts, streams):
        stack.push_async_callback(part.aclose)
    return Services(
        market_data=market_data,
        streams=streams,
        policy=given.policy,
        authority=governance.authority,
        accounts=accounts,
        gate=gate,
        orders=Orders(
            gate=gate,
            placements=placements,
            placing=placing,
            accounts=accounts,
            market_data=market_data,
            signer=given.keyring.signer,
            exchange=upstream.exchange,
            journal=stores.journal,
            audit=governance.audit,
            recent=recent,
            now=wall_ms,
            random_bytes=os.urandom,
            lease_ms=int(settings.order_lease_s * 1000),
            metrics=given.metrics,
        ),
        cancels=Cancels(
            gate=gate,
            accounts=accounts,
            signer=given.keyring.signer,
            exchange=upstream.exchange,
            audit=governance.audit,
            metrics=given.metrics,
        ),
        placements=placements,
        trading_switch=governance.switch,
        rates=governance.rates,
        audit=governance.audit,
        exchange=ExchangeStatus(upstream.exchange, upstream.clock, upstream.feed, wall_ms),
        now=wall_ms,
    )


def _market_data(given: Given, stores: Stores, upstream: Upstream) -> MarketData:
    settings = given.settings
    return MarketData(
        exchange=upstream.exchange,
        cache=stores.cache,
        memory=MarketMemory(lifetime=settings.lifetime, now=wall_ms, capacity=settings.cache_rows),
        lifetime=settings.lifetime,
        now=wall_ms,
        metrics=given.metrics,
    )


def _limiter(stores: Stores, upstream: Upstream, market_data: MarketData) -> OrderLimiter:
    async def open_orders(account: str) -> tuple[Order, ...]:
        return await upstream.reads.read(account, upstream.exchange.open_orders)

    return OrderLimiter(
        market_data=market_data, budgets=stores.budgets, now=wall_ms, open_orders=open_orders
    )
