"""What waits to be written to one WebSocket or event stream, within a bound."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from itertools import count

_LATEST = object()


class OutboxFull(Exception):
    """The peer reads too slowly for what it asked for."""


class Outbox:
    """Frames for one peer, in order, written by one task.

    A frame with a slot takes the place of the one that still waits in that slot. Frames without a
    slot are never dropped: `put` raises `OutboxFull` when `capacity` of them wait.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]], capacity: int) -> None:
        self._send = send
        self._capacity = capacity
        self._waiting: OrderedDict[Hashable, str] = OrderedDict()
        self._arrived = asyncio.Event()
        self._written = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._count = count()
        self._lasting = 0
        """How many of those that wait have no slot."""

    def put(self, frame: str, slot: Hashable | None = None) -> None:
        """Leave a frame; never waits."""
        if slot is None:
            if self._lasting >= self._capacity:
                raise OutboxFull
            self._lasting += 1
        self._waiting[next(self._count) if slot is None else (_LATEST, slot)] = frame
        self._emptied.clear()
        self._arrived.set()

    def clear(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._lasting = 0
        self._written.set()

    async def room(self) -> None:
        """Wait until fewer than `capacity` frames wait, whatever their slots."""
        while len(self._waiting) >= self._capacity:
            self._written.clear()
            await self._written.wait()

    async def emptied(self) -> None:
        """Wait until everything that was left here has been written."""
        await self._emptied.wait()

    async def run(self) -> None:
        """Write what is left here, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                place, frame = self._waiting.popitem(last=False)
                self._lasting -= isinstance(place, int)
                self._written.set()
                await self._send(frame)
            self._emptied.set()
