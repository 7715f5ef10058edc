import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import pytest

from gateway.services.merging import merged
from tests.unit.services.examples import turns

pytestmark = pytest.mark.anyio


class Source:
    """A stream that tells what a test tells; None ends it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self.ended = False

    def tell(self, *events: str | Exception | None) -> None:
        for event in events:
            self._queue.put_nowait(event)

    async def __call__(self) -> AsyncGenerator[str]:
        try:
            while (event := await self._queue.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.ended = True


async def test_both_are_told_as_they_come_each_in_its_order() -> None:
    events, others = Source(), Source()
    async with aclosing(merged(events(), others())) as told:
        for source, word in ((events, "a"), (others, "b"), (others, "c"), (events, "d")):
            source.tell(word)
            assert await anext(told) == word


async def test_it_ends_with_the_first_and_not_with_the_second() -> None:
    events, others = Source(), Source()
    others.tell("b", None)
    told = merged(events(), others())
    assert await anext(told) == "b"
    events.tell("a", None)
    assert [event async for event in told] == ["a"]


@pytest.mark.parametrize("failing", [0, 1])
async def test_what_either_raises_is_raised(failing: int) -> None:
    sources = (Source(), Source())
    sources[failing].tell(ValueError("why"))
    with pytest.raises(ValueError, match="why"):
        await anext(merged(*(source() for source in sources)))


async def test_who_leaves_ends_both() -> None:
    events, others = Source(), Source()
    told = merged(events(), others())
    coming = asyncio.ensure_future(anext(told))
    await turns()
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    assert (events.ended, others.ended) == (True, True)


async def test_who_leaves_ends_even_what_loses_a_cancellation() -> None:
    events, others = Source(), Source()

    async def deaf() -> AsyncGenerator[str]:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        async for event in others():
            yield event

    told = merged(events(), deaf())
    coming = asyncio.ensure_future(anext(told))
    await turns()
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    assert (events.ended, others.ended) == (True, True)
