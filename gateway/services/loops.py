"""Loops that run for as long as the service does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

_RESTART_PAUSE_S = 1.0
_CANCEL_AGAIN_S = 0.1

Loop = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""


@asynccontextmanager
async def kept_up(
    loops: Mapping[str, Loop], on_failed: Callable[[str], None] = lambda _: None
) -> AsyncIterator[None]:
    """Run `loops`, by name, for the length of the context; they end all at once.

    A fault in one is logged, `on_failed` is told its name, and it starts again.
    """
    tasks = [asyncio.create_task(_run(name, loop, on_failed)) for name, loop in loops.items()]
    try:
        yield
    finally:
        await end_all(tasks)


async def end_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended, for a cancellation can get lost.

    Before Python 3.12 `asyncio.wait_for`, which the Redis client uses, drops one that arrives
    together with the answer. Who is cancelled while waiting here goes on: nothing is left behind.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_S)
        waiting = {task for task in waiting if not task.done()}


async def _run(name: str, loop: Loop, on_failed: Callable[[str], None]) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001  # whatever it is: logged, and the loop goes on
            _log.exception("loop.failed", loop=name)
            on_failed(name)
        await asyncio.sleep(_RESTART_PAUSE_S)
