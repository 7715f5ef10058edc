import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from gateway.domain.account import BalanceChange
from gateway.domain.errors import RateLimited, SourceUnavailable, StreamRefused, UnknownAccount
from gateway.domain.orders import OrderStatus
from gateway.domain.streams import Broken, Gap
from gateway.services.account_changes import AccountChange
from gateway.services.account_stream import ACCOUNT
from tests.unit.services.examples import order, turns
from tests.unit.services.following import Desk, Listener, desk_of

pytestmark = pytest.mark.anyio

AVAILABLE = BalanceChange("BTC", available=Decimal(1))
HELD = BalanceChange("BTC", held=Decimal(2))


@asynccontextmanager
async def changes_of(desk: Desk) -> AsyncIterator[AsyncIterator[AccountChange]]:
    """The changes of an account whose stream begins in time."""
    with desk.stream.held():
        desk.feed.start(ACCOUNT)
        async with desk.stream.changes() as changes:
            yield changes


async def test_changes_are_told_from_then_on_and_nothing_of_what_stands() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        async with changes_of(desk) as changes:
            await turns()
            desk.feed.tell(ACCOUNT, AVAILABLE)
            desk.feed.tell(ACCOUNT, order("o2"))
            desk.feed.tell(ACCOUNT, HELD)
            told = [await anext(changes) for _ in range(3)]
            assert told == [AVAILABLE, order("o2"), HELD]


async def test_an_order_s_change_from_an_earlier_time_is_not_told() -> None:
    async with desk_of() as desk, changes_of(desk) as changes:
        filled = order("o1", filled=10, status=OrderStatus.FILLED)
        for event in (filled, order("o1"), order("o2")):
            desk.feed.tell(ACCOUNT, event)
        assert [await anext(changes), await anext(changes)] == [filled, order("o2")]


async def test_changes_are_told_while_nobody_can_read_what_stands() -> None:
    async with desk_of() as desk:
        desk.exchange.hold()
        async with changes_of(desk) as changes:
            desk.feed.tell(ACCOUNT, HELD)
            assert await anext(changes) == HELD


async def test_a_break_is_a_gap_unless_every_frame_came() -> None:
    async with desk_of() as desk, changes_of(desk) as changes:
        desk.feed.receive(Broken(7, "not all is told", lossless=True))
        desk.feed.start(ACCOUNT)
        desk.feed.tell(ACCOUNT, HELD)
        desk.feed.cut(since=8)
        assert [await anext(changes), await anext(changes)] == [HELD, Gap(8, "cut")]


async def test_a_stream_that_does_not_begin_has_no_changes() -> None:
    async with desk_of(confirm_within_s=0.01) as desk:
        with pytest.raises(SourceUnavailable):
            async with desk.stream.changes():
                pass
        desk.feed.start(ACCOUNT)
        desk.feed.cut()
        with pytest.raises(SourceUnavailable):
            async with desk.stream.changes():
                pass


async def test_an_account_whose_login_is_refused_has_no_changes() -> None:
    async with desk_of() as desk:
        desk.feed.refuse_login()
        with pytest.raises(StreamRefused):
            async with desk.stream.changes():
                pass


async def test_changes_end_when_there_is_no_key_any_more() -> None:
    async with desk_of() as desk, changes_of(desk) as changes:
        desk.stream.end(UnknownAccount("demo"))
        with pytest.raises(UnknownAccount):
            await anext(changes)


async def test_who_reads_too_slowly_is_told_so_and_others_are_not_held_up() -> None:
    async with desk_of(queue_size=3) as desk, changes_of(desk) as slow:
        async with desk.stream.changes() as changes:
            for number in range(5):
                desk.feed.tell(ACCOUNT, BalanceChange("BTC", held=Decimal(number)))
                assert await anext(changes) == BalanceChange("BTC", held=Decimal(number))
        with pytest.raises(RateLimited):
            await anext(slow)


async def test_an_account_is_followed_while_somebody_wants_its_changes() -> None:
    async with desk_of(linger_s=0) as desk:
        async with changes_of(desk):
            assert desk.feed.wanted == [ACCOUNT]
        await asyncio.sleep(0.01)
        assert desk.feed.wanted == []


async def test_followers_of_what_stands_and_of_changes_do_not_get_in_each_other_s_way() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        async with changes_of(desk) as changes:
            listener = Listener(desk.stream.orders())
            await listener.has(order("o1"))
            desk.feed.tell(ACCOUNT, order("o2"))
            await listener.has(order("o1"), order("o2"))
            assert await anext(changes) == order("o2")
            await listener.leave()
