"""Loops that run for as long as the service does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

_log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0
_CANCEL_AGAIN_S = 0.1

Loop = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""


@asynccontextmanager
async def kept_up(loops: Mapping[str, Loop]) -> AsyncIterator[None]:
    """Run `loops`, by name, for the length of the context; they end all at once.

    A fault in one is logged, and it starts again.
    """
    tasks = [asyncio.create_task(_run(name, loop)) for name, loop in loops.items()]
    try:
        yield
    finally:
        await asyncio.gather(*map(_end, tasks))


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it ends, for a cancellation can get lost.

    Before Python 3.12 `asyncio.wait_for`, which the Redis client uses, drops one that arrives
    together with the answer.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)


async def _run(name: str, loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001  # whatever it is: logged, and the loop goes on
            _log.exception("loop.failed", loop=name)
        await asyncio.sleep(_RESTART_PAUSE_S)
