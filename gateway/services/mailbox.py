"""What waits for one subscriber, within a bound."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from typing import Generic, TypeVar

from gateway.domain.errors import GatewayError, RateLimited

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items for one reader, in order.

    An item put into a slot takes the place of the one that still waits there, so that a slow
    reader gets the latest. Items without a slot are never dropped: when more than `capacity`
    wait, the reader gets what waits no more, but an error.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: OrderedDict[Hashable, T] = OrderedDict()
        self._arrived = asyncio.Event()
        self._failure: GatewayError | None = None
        self._count = 0

    def put(self, item: T, slot: Hashable | None = None) -> None:
        """Leave an item; never waits. After a failure nothing is taken any more."""
        if self._failure is not None:
            return
        self._count += 1
        if slot is None and len(self._waiting) >= self._capacity:
            self.fail(RateLimited("events that wait for a slow subscriber", retry_after=1))
            return
        self._waiting[self._count if slot is None else (slot,)] = item
        self._arrived.set()

    def fail(self, failure: GatewayError) -> None:
        """End the stream with an error; what waits is dropped."""
        self._failure = failure
        self._waiting.clear()
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield items as they come; raise what `fail` was told."""
        while True:
            await self._arrived.wait()
            while self._waiting:
                _, item = self._waiting.popitem(last=False)
                yield item
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
