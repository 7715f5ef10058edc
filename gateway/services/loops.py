"""Loops that run for as long as the service does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

_log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0

Loop = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""


@asynccontextmanager
async def kept_up(name: str, loop: Loop) -> AsyncIterator[None]:
    """Run `loop` for the length of the context; a fault in it is logged, and it starts again."""
    task = asyncio.create_task(_run(name, loop))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run(name: str, loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001  # whatever it is: logged, and the loop goes on
            _log.exception("loop.failed", loop=name)
        await asyncio.sleep(_RESTART_PAUSE_S)
