"""The events of an account's orders, as a principal may see them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.domain.orders import Order
from gateway.domain.streams import Gap
from gateway.services.ownership import Ownership

T = TypeVar("T")

HELD_S = 5.0
"""How long the events of an order that is nobody's yet may turn out to be of an own one."""

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5


@dataclass(slots=True)
class _Held:
    """What came of one order: until when it waits, and for how long until the next look."""

    until: float
    look_at: float
    pause: float = _FIRST_PAUSE_S
    orders: list[Order] = field(default_factory=list)


class OwnOrderEvents:
    """Lets through the events of orders that a principal may see, and whatever is of no order.

    An order's event may overtake the answer that says whose it is, on this replica or on another.
    Events of what is nobody's wait until somebody is known to have placed it, for `held_s` seconds,
    and longer while an intent without an outcome may be it; they hold up no others.
    """

    def __init__(
        self, ownership: Ownership, principal_id: str, account: str, held_s: float = HELD_S
    ) -> None:
        self._ownership = ownership
        self._principal_id = principal_id
        self._account = account
        self._held_s = held_s
        self._held: dict[str, _Held] = {}

    async def of(self, events: AsyncIterator[Order | T]) -> AsyncGenerator[Order | T]:
        """Yield what of `events` may be seen. Raises `NotLookedUp`, and what `events` raises."""
        coming = asyncio.ensure_future(_next(events))
        try:
            while True:
                await asyncio.wait({coming}, timeout=self._pause())
                for claimed in await self._claimed():
                    yield claimed
                if coming.done():
                    if (event := coming.result()) is None:
                        return
                    coming = asyncio.ensure_future(_next(events))
                    for shown in await self._shown(event):
                        yield shown
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    def _pause(self) -> float | None:
        """Seconds until somebody must look again whose the held events are; None: never."""
        if not self._held:
            return None
        return max(0.0, min(held.look_at for held in self._held.values()) - _now())

    async def _shown(self, event: Order | T) -> Sequence[Order | T]:
        """What is to be told now that this came."""
        if isinstance(event, Gap):
            # All that stands follows it, and the held ones among that.
            self._held.clear()
        if not isinstance(event, Order):
            return [event]
        if self._ownership.reads_all(self._principal_id, self._account):
            return [event]
        if event.order_id is None:
            return []
        if event.order_id not in self._held:
            now = _now()
            self._held[event.order_id] = _Held(until=now + self._held_s, look_at=now)
        self._held[event.order_id].orders.append(event)
        return await self._claimed()

    async def _claimed(self) -> list[Order]:
        """Look whose the held events are, where it is time to; the own ones are to be told."""
        now = _now()
        due = [order_id for order_id, held in self._held.items() if held.look_at <= now]
        if not due:
            return []
        owners = await self._owners(due)
        claimed: list[Order] = []
        for order_id in due:
            held = self._held[order_id]
            if owners.get(order_id) == self._principal_id:
                claimed += held.orders
            if order_id in owners or await self._is_over(held, now):
                del self._held[order_id]
            else:
                held.look_at = now + held.pause
                held.pause = min(2 * held.pause, _LONGEST_PAUSE_S)
        return claimed

    async def _is_over(self, held: _Held, now: float) -> bool:
        """Whether nobody will be known to have placed it."""
        if held.until > now:
            return False
        newest = held.orders[-1]
        return not await self._ownership.may_be_own(self._principal_id, newest, self._account)

    async def _owners(self, order_ids: list[str]) -> dict[str, str]:
        if self._ownership.reads_all(self._principal_id, self._account):
            return dict.fromkeys(order_ids, self._principal_id)
        return await self._ownership.owners(self._account, order_ids)


async def _next(events: AsyncIterator[T]) -> T | None:
    try:
        return await anext(events)
    except StopAsyncIteration:
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
