"""A replica whose exchange keeps orders open until they are cancelled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from redis.asyncio import Redis

from gateway.access.policy import (
    AccountRule,
    Action,
    Grant,
    Member,
    Policy,
    Principal,
    PrincipalKind,
)
from gateway.access.principal import Caller
from gateway.domain.errors import Refused
from gateway.domain.orders import Order
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.metrics import Metrics
from gateway.services.cancel_all import CancelAll
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal, new_placement_id
from gateway.store.redis import open_redis
from tests.unit.services.desks import CALLER, Trading, Watch, journal_on, reads_of, trading_of
from tests.unit.services.examples import APP, Clock, StandInExchange, command, order
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.store.journals import lead

NOT_OPEN = Refused("cancel-order", "10075", "ORDER_NOT_FOUND", "not open", "look", retry=False)
OTHER = Caller(Principal("other-app", PrincipalKind.APP), "b" * 32)
BOSS = Caller(Principal("boss", PrincipalKind.PERSON), "c" * 32)

_TRADES = frozenset({Action.ORDERS_PLACE, Action.ORDERS_CANCEL})
POLICY = Policy(
    revision="1",
    accounts=(AccountRule("demo"),),
    members=(
        Member(APP, (), (Grant("trade", _TRADES, "demo"),)),
        Member(OTHER.principal, (), (Grant("trade", _TRADES, "demo"),)),
        Member(
            BOSS.principal,
            (),
            (Grant("all", _TRADES | {Action.ORDERS_READ_ALL}, "demo"),),
        ),
    ),
    wall_ms=lambda: 0,
)


@dataclass
class Floor(StandInExchange):
    """An exchange with open orders, by their ids; a cancel takes one out.

    `failures`: what the next cancels of an order raise; `late`: an order that shows up once so many
    readings have been made; `lingers`: how many cancels of an order are acknowledged and leave it
    listed.
    """

    open: dict[str, Order] = field(default_factory=dict)
    failures: dict[str, list[BaseException]] = field(default_factory=dict)
    late: dict[int, str] = field(default_factory=dict)
    lingers: dict[str, int] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    cancelling: int = 0
    most_at_once: int = 0

    def stand(self, *order_ids: str) -> None:
        self.open |= {each: order(each) for each in order_ids}

    async def open_orders(self, _sign: object) -> Any:  # noqa: ANN401 - as the stand-in
        await self._answer("open orders")
        if late := self.late.get(self.asked.count("open orders")):
            self.stand(late)
        return tuple(self.open.values())

    async def cancel(self, _prepared: object, order_id: str) -> Any:  # noqa: ANN401
        self.cancelling += 1
        self.most_at_once = max(self.most_at_once, self.cancelling)
        try:
            await self._answer("cancel")
        finally:
            self.cancelling -= 1
        if self.failures.get(order_id):
            raise self.failures[order_id].pop(0)
        if self.lingers.get(order_id):
            self.lingers[order_id] -= 1
            return
        if self.open.pop(order_id, None) is None:
            raise NOT_OPEN
        self.cancelled.append(order_id)


@dataclass
class Desk:
    """One replica, and who else writes its journal."""

    floor: Floor
    trading: Trading
    cancel_all: CancelAll
    journal: OrderJournal
    redis: Redis
    watch: Watch
    clock: Clock
    placed: int = 0

    async def placed_by(self, caller: Caller, order_id: str) -> Placement:
        """An order that another replica placed for the caller, and that is open."""
        self.floor.stand(order_id)
        begun = await self.sending_by(caller)
        made = replace(begun, state=PlacementState.ACCEPTED, order=order(order_id))
        return await self.journal.finish(made)

    async def in_doubt_by(self, caller: Caller) -> Placement:
        """An order of the caller's that the gateway gave up on."""
        lost = replace(await self.sending_by(caller), state=PlacementState.UNKNOWN)
        unknown = await self.journal.finish(lost)
        verdict = Verdict(placement=unknown, state=PlacementState.IN_DOUBT, evidence="two fit")
        return await self.journal.resolve(verdict, leader=await lead(self.redis))

    async def sending_by(self, caller: Caller) -> Placement:
        """An order that another replica is sending for the caller."""
        self.placed += 1
        placed = Placement(
            id=new_placement_id("demo", lambda count: self.placed.to_bytes(count, "big")),
            principal=caller.id,
            command=command(f"id-{self.placed}", quantity=f"{10 + self.placed}"),
            state=PlacementState.SENDING,
            created_at=self.clock(),
            updated_at=self.clock(),
            rule="trade",
            signed_at=self.clock(),
            window=5_000,
            digest="0" * 64,
            lease_until=0,
            owner="another",
        )
        return await self.journal.begin(placed, lease_ms=60_000)


@asynccontextmanager
async def desk_of(url: str, *, patience_s: float = 20) -> AsyncIterator[Desk]:
    market, metrics, watch, floor = market_desk(), Metrics(), Watch(), Floor()
    async with open_redis(
        url, connect_timeout=patience_s, command_timeout=patience_s, max_connections=8
    ) as redis:
        journal = journal_on(redis)
        trading = trading_of(
            exchange=floor.client,
            granted=lambda: POLICY,
            market_data=market.market_data,
            journal=journal,
            events=AccountEventStore(redis, 1000),
            clock=market.clock,
            metrics=metrics,
            watch=watch,
            streams={},
        )
        cancel_all = CancelAll(
            authority=trading.authority,
            cancels=trading.cancels,
            journal=journal,
            recent=trading.recent,
            exchange=floor.client,
            reads=reads_of(watch),
            audit=watch.audit.trail,
        )
        yield Desk(floor, trading, cancel_all, journal, redis, watch, market.clock)
        await trading.cancels.aclose(0)


__all__ = ["BOSS", "CALLER", "NOT_OPEN", "OTHER", "Desk", "Floor", "desk_of"]
