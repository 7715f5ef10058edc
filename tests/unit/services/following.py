"""An account that is followed, by a stream and an exchange that are made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.domain.account import Balance
from gateway.domain.errors import GatewayError
from gateway.domain.orders import Order
from gateway.services.account_followers import AccountNews
from gateway.services.account_stream import AccountStream, AccountTiming
from tests.unit.services.desks import Watch, reads_of
from tests.unit.services.examples import Clock, StandInExchange, StandInFeed, turns, until

READS = ("open orders", "balances", "fills")


@dataclass
class Desk:
    stream: AccountStream
    feed: StandInFeed
    exchange: StandInExchange
    clock: Clock

    def list(self, *orders: Order) -> None:
        self.exchange.answers["open orders"] = orders

    def hold(self, *balances: Balance) -> None:
        self.exchange.answers["balances"] = balances

    def times_asked(self, what: str) -> int:
        return self.exchange.asked.count(what)


@asynccontextmanager
async def desk_of(
    *,
    queue_size: int = 100,
    linger_s: float = 60,
    settle_s: float = 0.01,
    start_within_s: float = 10,
    fills_every_s: float = 0.01,
    confirm_within_s: float = 10,
    reread_pauses: tuple[float, ...] = (0.0, 0.5, 0.01),
) -> AsyncIterator[Desk]:
    feed, exchange, clock = StandInFeed(), StandInExchange(), Clock()
    stream = AccountStream(
        account="demo",
        feed=feed.feed,
        exchange=exchange.client,
        reads=reads_of(Watch()),
        queue_size=queue_size,
        timing=AccountTiming(
            linger_s=linger_s,
            settle_s=settle_s,
            fills_every_s=fills_every_s,
            start_within_s=start_within_s,
            confirm_within_s=confirm_within_s,
            reread_pauses=reread_pauses,
        ),
        exchange_now=clock,
    )
    running = asyncio.create_task(stream.run())
    await turns()
    try:
        yield Desk(stream, feed, exchange, clock)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await turns()


class Listener:
    """Reads a stream in a task of its own."""

    def __init__(self, events: AsyncIterator[AccountNews]) -> None:
        self.heard: list[AccountNews] = []
        self.task = asyncio.create_task(self._listen(events))

    async def _listen(self, stream: AsyncIterator[AccountNews]) -> None:
        async with aclosing(stream) as events:  # type: ignore[type-var]
            async for event in events:
                self.heard.append(event)

    async def has(self, *events: AccountNews) -> None:
        await until(lambda: len(self.heard) >= len(events) or self.task.done())
        assert self.heard == list(events)

    async def ends_with(self, reason: type[GatewayError]) -> None:
        with pytest.raises(reason):
            await self.task

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
