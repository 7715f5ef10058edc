"""A limiter of orders over a stand-in exchange and a real store of budgets, for its tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from gateway.access.policy import Action, Grant, OrderLimits
from gateway.domain.errors import GatewayError, NotSent, OverLimit
from gateway.domain.market import OrderSide, PriceLevel, TopOfBook
from gateway.domain.orders import OrderType, PlaceOrder
from gateway.services.account_rereads import AccountRereads, Reread
from gateway.services.order_limits import OrderLimiter
from gateway.store.budgets import BudgetKey, Budgets
from tests.unit.services.examples import BTC, command_of, listing, open_patient, order
from tests.unit.services.test_market_data import Desk as MarketDesk
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.store.examples import open_quick

T = OrderType
BUY, SELL = OrderSide.BUY, OrderSide.SELL
AWAY = NotSent("market/orderbook", "connect")
NOWHERE = "redis://127.0.0.1:1"
KEY = BudgetKey("demo", "desk", "trade")
LIMIT = command_of(T.LIMIT, price="100", quantity="2")
STOP = command_of(T.STOP_LIMIT, stop_price="500", price="510", quantity="2")
MARKET = command_of(T.MARKET, quantity="2")


def usdt(total: str) -> Mapping[str, Decimal]:
    return {"USDT": Decimal(total)}


def grant(**limits: Any) -> Grant:  # noqa: ANN401 - as many kinds as limits
    return Grant("trade", frozenset({Action.ORDERS_PLACE}), "demo", limits=OrderLimits(**limits))


def book(bid: str | None, ask: str | None) -> TopOfBook:
    bid_level, ask_level = (
        None if price is None else PriceLevel(Decimal(price), Decimal(1)) for price in (bid, ask)
    )
    return TopOfBook(BTC, bid_level, ask_level)


@dataclass
class OpenOrders:
    """What the exchange lists as open; holds its answers while `gate` is shut."""

    listed: list[str] = field(default_factory=list)
    failure: GatewayError | None = None
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rereads(self) -> AccountRereads:
        return cast("AccountRereads", self)

    async def of(self, account: str) -> Reread:
        assert account == "demo"
        self.asked += 1
        found = tuple(order(order_id) for order_id in self.listed)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return Reread(found, {})


@dataclass
class Desk:
    limiter: OrderLimiter
    budgets: Budgets
    market: MarketDesk
    open_orders: OpenOrders

    async def reserve(self, placement_id: str, granted: Grant, command: PlaceOrder = LIMIT) -> None:
        """Claim as the journal does with an order's record."""
        claim = await self.limiter.claim("desk", granted, command, placement_id)
        while claim is not None:
            try:
                await self.budgets.update(claim.key, claim.change)
            except OverLimit as over:
                await self.limiter.relieve(claim.key, over)
            else:
                return

    async def accept(self, placement_id: str, granted: Grant, order_id: str) -> None:
        await self.reserve(placement_id, granted)
        await self.budgets.update(KEY, lambda budget: budget.accepted(placement_id, order_id))

    async def claims(self) -> set[str]:
        return set((await self.budgets.read(KEY)).claims)

    async def spent(self) -> Decimal:
        return (await self.budgets.read(KEY)).spent.get("USDT", Decimal(0))


@asynccontextmanager
async def desk_of(
    url: str, *, patiently: bool = True, now: Callable[[], int] | None = None
) -> AsyncIterator[Desk]:
    market = market_desk()
    market.exchange.answers |= {"markets": listing(BTC), f"top {BTC}": book("99", "100")}
    open_orders = OpenOrders()
    open_orders.gate.set()
    async with open_patient(url) if patiently else open_quick(url) as redis:
        budgets = Budgets(redis)
        limiter = OrderLimiter(
            market_data=market.market_data,
            budgets=budgets,
            now=now or market.clock,
            rereads=open_orders.rereads,
        )
        yield Desk(limiter, budgets, market, open_orders)
        await limiter.aclose()


async def refusal(desk: Desk, granted: Grant, command: PlaceOrder = LIMIT) -> OverLimit:
    with pytest.raises(OverLimit) as refused:
        await desk.reserve("refused", granted, command)
    assert refused.value.rule == "trade"
    return refused.value
