import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.outbox import Outbox, OutboxFull
from tests.unit.services.examples import turns, until

pytestmark = pytest.mark.anyio


class Line:
    """Takes one frame at a time, when the test lets it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.open = asyncio.Event()

    async def send(self, frame: str) -> None:
        await self.open.wait()
        self.sent.append(frame)


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.integers(0, 99)), max_size=40))
async def test_frames_go_out_in_order_and_a_slot_holds_its_latest(
    puts: list[tuple[str | None, int]],
) -> None:
    line = Line()
    outbox = Outbox(line.send, capacity=100)
    writer = asyncio.create_task(outbox.run())
    expected: dict[object, str] = {}
    for place, (slot, number) in enumerate(puts):
        outbox.put(str(number), slot)
        expected[place if slot is None else slot] = str(number)
    line.open.set()
    await turns(3 * len(expected) + 5)
    writer.cancel()
    assert line.sent == list(expected.values())


async def test_more_than_its_capacity_without_a_slot_is_refused() -> None:
    line = Line()
    outbox = Outbox(line.send, capacity=2)
    for slot in range(5):
        outbox.put("0", slot)
    outbox.put("1")
    outbox.put("2")
    with pytest.raises(OutboxFull):
        outbox.put("3")
    line.open.set()
    writer = asyncio.create_task(outbox.run())
    await outbox.emptied()
    outbox.put("3")
    outbox.put("4")
    with pytest.raises(OutboxFull):
        outbox.put("5")
    outbox.clear()
    outbox.put("6")
    writer.cancel()


async def test_there_is_room_again_when_frames_were_written() -> None:
    line = Line()
    outbox = Outbox(line.send, capacity=2)
    writer = asyncio.create_task(outbox.run())
    await outbox.room()
    for number in range(5):
        outbox.put(str(number), number)
    room = asyncio.create_task(outbox.room())
    await turns()
    assert not room.done()
    line.open.set()
    await room
    await until(lambda: len(line.sent) == 5)
    writer.cancel()


async def test_a_line_that_breaks_ends_the_writer() -> None:
    async def broken(_frame: str) -> None:
        raise OSError

    outbox = Outbox(broken, capacity=2)
    outbox.put("1")
    with pytest.raises(OSError):  # noqa: PT011 - whatever it says
        await outbox.run()


async def test_it_is_empty_once_the_last_frame_is_written() -> None:
    line = Line()
    outbox = Outbox(line.send, capacity=2)
    await outbox.emptied()
    outbox.put("1")
    writer = asyncio.create_task(outbox.run())
    empty = asyncio.create_task(outbox.emptied())
    await turns()
    assert not empty.done()
    line.open.set()
    await empty
    assert line.sent == ["1"]
    writer.cancel()
