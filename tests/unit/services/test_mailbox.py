import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import RateLimited, Unauthenticated
from gateway.services.mailbox import Mailbox
from tests.unit.services.examples import turns

pytestmark = pytest.mark.anyio


async def taken(mailbox: Mailbox[int], count: int) -> list[int]:
    items: list[int] = []
    if count:
        async with aclosing(mailbox.__aiter__()) as reader:  # type: ignore[type-var]
            async for item in reader:
                items.append(item)
                if len(items) == count:
                    break
    return items


async def test_items_come_in_the_order_in_which_they_were_left() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    for item in range(10):
        mailbox.put(item)
    assert await taken(mailbox, 10) == list(range(10))


async def test_a_reader_who_waits_gets_an_item_as_it_comes() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    reader = asyncio.create_task(taken(mailbox, 3))
    for item in range(3):
        await turns()
        mailbox.put(item)
    assert await reader == [0, 1, 2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), min_size=1))
async def test_a_slot_holds_its_latest_item_in_its_first_place(
    puts: list[tuple[str, int]],
) -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    for slot, item in puts:
        mailbox.put(item, slot)
    latest = dict(puts)
    assert await taken(mailbox, len(latest)) == list(latest.values())


async def test_more_than_its_capacity_ends_the_stream_instead_of_dropping_items() -> None:
    mailbox: Mailbox[int] = Mailbox(2)
    for item in range(3):
        mailbox.put(item)
    with pytest.raises(RateLimited, match="slow subscriber"):
        await taken(mailbox, 1)


async def test_nothing_follows_what_was_dropped() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    for item in range(5):
        mailbox.put(item)
        mailbox.put(item, "slot")
    with pytest.raises(RateLimited):
        await taken(mailbox, 1)


async def test_a_failure_wakes_the_reader() -> None:
    mailbox: Mailbox[int] = Mailbox(1)
    reader = asyncio.create_task(taken(mailbox, 1))
    await turns()
    mailbox.fail(Unauthenticated())
    with pytest.raises(Unauthenticated):
        await reader
