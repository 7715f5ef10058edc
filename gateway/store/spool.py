"""Records that wait in memory until the journal can be written again."""

import asyncio
from collections import deque
from collections.abc import Iterator

from gateway.domain.placements import Placement


class Spool:
    """A bounded queue of placements, oldest first, that knows the latest record of each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[Placement] = deque()
        self._latest: dict[str, Placement] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, placement: Placement) -> bool:
        """Append a record; False when there is no room."""
        if len(self._queue) >= self._limit:
            return False
        self._queue.append(placement)
        self._latest[placement.id] = placement
        self._filled.set()
        self._emptied.clear()
        return True

    async def first(self) -> Placement:
        """The oldest record, which stays; waits until there is one."""
        await self._filled.wait()
        return self._queue[0]

    def drop_first(self) -> None:
        """Take the oldest record out: it has been written."""
        written = self._queue.popleft()
        if self._latest[written.id] is written:
            del self._latest[written.id]
        if not self._queue:
            self._filled.clear()
            self._emptied.set()

    async def empty(self) -> None:
        """Wait until nothing waits any more."""
        await self._emptied.wait()

    def get(self, placement_id: str) -> Placement | None:
        """The latest waiting record of a placement."""
        return self._latest.get(placement_id)

    def latest(self) -> Iterator[Placement]:
        """The latest waiting record of every placement that has one."""
        return iter(self._latest.values())
