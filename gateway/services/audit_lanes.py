"""What waits to be written to one sink of the audit log."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import structlog

from gateway.domain.audit import AuditEntry
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_BATCH = 500

Append = Callable[[Sequence[AuditEntry]], Awaitable[None]]
"""Writes entries durably; `OSError` or `StoreUnavailable` when that is not certain."""


class Lane:
    """Entries on their way into one sink, in their order, `limit` at most.

    `problem` says why the sink took the last ones not; one that has not answered for `patience_s`
    seconds takes none, until it does. `hole`: the first and the last sequence of
    those that found no room; nothing enters behind a hole until `mend` has been called.
    """

    def __init__(self, name: str, append: Append, limit: int, patience_s: float) -> None:
        self.name = name
        self.problem: str | None = None
        self.hole: tuple[int, int] | None = None
        self._append = append
        self._limit = limit
        self._patience_s = patience_s
        self._waiting: deque[AuditEntry] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether `offer` would take an entry."""
        return len(self._waiting) < self._limit

    def offer(self, entry: AuditEntry) -> None:
        """Take an entry, or widen the hole by it."""
        if self.has_room and self.hole is None:
            self._waiting.append(entry)
            self._filled.set()
        else:
            first = entry.sequence if self.hole is None else self.hole[0]
            self.hole = (first, entry.sequence)

    def mend(self) -> tuple[int, int] | None:
        """Let entries in again if there is room; return the hole that there was."""
        if not self.has_room:
            return None
        hole, self.hole = self.hole, None
        return hole

    async def filled(self) -> None:
        """Wait until an entry waits."""
        await self._filled.wait()

    async def write(self) -> tuple[AuditEntry, ...]:
        """Write what waits, up to a batch; return what is durable now: all of it, or nothing."""
        batch = tuple(islice(self._waiting, _BATCH))
        # Not a timeout: what a thread has begun to write to a file, it goes on writing.
        silence = asyncio.get_running_loop().call_later(
            self._patience_s, self._failed, "it does not answer"
        )
        try:
            await self._append(batch)
        except (OSError, StoreUnavailable) as failure:
            self._failed(_reason(failure))
            return ()
        finally:
            silence.cancel()
        for _ in batch:
            self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
        self._succeeded()
        return batch

    def _failed(self, why: str) -> None:
        if self.problem is None:
            _log.error("audit.sink_away", sink=self.name, cause=why)
        self.problem = why

    def _succeeded(self) -> None:
        if self.problem is not None:
            _log.info("audit.sink_back", sink=self.name)
        self.problem = None


def _reason(failure: OSError | StoreUnavailable) -> str:
    if isinstance(failure, StoreUnavailable):
        return failure.cause
    return failure.strerror or type(failure).__name__
