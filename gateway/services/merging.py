"""Two streams of events as one."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from gateway.services.loops import end_all

T = TypeVar("T")
U = TypeVar("U")


async def merged(events: AsyncGenerator[T], others: AsyncGenerator[U]) -> AsyncGenerator[T | U]:
    """Yield what both tell, as it comes, until `events` ends; raise what either raises."""
    sources: tuple[AsyncGenerator[T | U], ...] = (events, others)
    coming = {asyncio.ensure_future(_next(source)): source for source in sources}
    try:
        while True:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                event, source = task.result(), coming.pop(task)
                if event is not None:
                    coming[asyncio.ensure_future(_next(source))] = source
                    yield event
                elif source is events:
                    return
    finally:
        await end_all(list(coming))
        await asyncio.gather(*coming, return_exceptions=True)


async def _next(events: AsyncGenerator[T]) -> T | None:
    try:
        return await anext(events)
    except StopAsyncIteration:
        return None
