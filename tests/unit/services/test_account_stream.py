import asyncio

import pytest

from gateway.domain.errors import NotSent
from gateway.domain.orders import OrderStatus
from gateway.domain.streams import Gap
from gateway.services.account_stream import ACCOUNT
from tests.unit.services.examples import balance, order, turns, until
from tests.unit.services.following import READS, Listener, desk_of

pytestmark = pytest.mark.anyio

FILLED = OrderStatus.FILLED
CLOSED_UNKNOWN = OrderStatus.CLOSED_UNKNOWN


async def test_a_subscriber_gets_the_open_orders_and_then_each_change() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"), order("o2"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(order("o1"), order("o2"))
        desk.feed.tell(ACCOUNT, order("o2", filled=10, status=FILLED))
        desk.feed.tell(ACCOUNT, order("o2"))
        desk.feed.tell(ACCOUNT, order("o3"))
        filled = order("o2", filled=10, status=FILLED)
        await listener.has(order("o1"), order("o2"), filled, order("o3"))
        second = Listener(desk.stream.orders())
        await second.has(order("o1"), order("o3"))
        await listener.leave()
        await second.leave()


async def test_after_a_break_a_gap_then_all_open_orders_and_what_vanished() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"), order("o2"), order("o3"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(order("o1"), order("o2"), order("o3"))
        listener.heard.clear()
        desk.feed.cut(since=7)
        desk.feed.cut(since=8)
        filling = order("o2", filled=5, status=OrderStatus.PARTIALLY_FILLED)
        desk.list(order("o1"), filling, order("o4"))
        desk.feed.start(ACCOUNT)
        gone = order("o3", status=CLOSED_UNKNOWN)
        await listener.has(Gap(7, "cut"), order("o1"), filling, order("o4"), gone)
        await listener.leave()


async def test_open_orders_beyond_the_queue_are_told_once_at_first_and_after_a_break() -> None:
    async with desk_of(queue_size=10) as desk:
        orders = [order(f"o{number}") for number in range(300)]
        desk.list(*orders)
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(*orders)
        listener.heard.clear()
        desk.feed.cut(since=7)
        filling = order("o1", filled=5, status=OrderStatus.PARTIALLY_FILLED)
        orders[1] = filling
        desk.list(*orders)
        desk.feed.start(ACCOUNT)
        await listener.has(Gap(7, "cut"), *orders)
        desk.feed.tell(ACCOUNT, order("next"))
        await listener.has(Gap(7, "cut"), *orders, order("next"))
        await listener.leave()


async def test_orders_that_end_before_all_is_known_are_told_after_what_stands() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.exchange.hold()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.waiting)
        desk.feed.tell(ACCOUNT, order("o2"))
        desk.feed.tell(ACCOUNT, order("o3"))
        desk.feed.tell(ACCOUNT, order("o3", filled=10, status=FILLED))
        desk.feed.tell(ACCOUNT, order(None, filled=10, status=FILLED))
        await turns()
        assert listener.heard == []
        desk.exchange.release()
        o3, market = (order(each, filled=10, status=FILLED) for each in ("o3", None))
        await until(lambda: listener.heard)
        assert set(listener.heard[:2]) == {order("o1"), order("o2")}
        assert listener.heard[2:] == [o3, market]
        await listener.leave()


async def test_orders_that_end_are_told_early_when_they_are_more_than_may_wait() -> None:
    async with desk_of(queue_size=3) as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        desk.feed.cut(since=7)
        ended = [order(f"o{number}", filled=10, status=FILLED) for number in range(5)]
        for each in ended[:4]:
            desk.feed.tell(ACCOUNT, each)
        await listener.has(Gap(7, "cut"), *ended[:4])
        desk.feed.tell(ACCOUNT, ended[4])
        desk.feed.start(ACCOUNT)
        await listener.has(Gap(7, "cut"), *ended)
        await listener.leave()


async def test_a_list_asked_for_before_a_break_is_not_taken_for_one_after_it() -> None:
    async with desk_of() as desk:
        desk.list(order("old"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.exchange.hold()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.waiting == len(READS))
        desk.feed.cut()
        desk.list(order("new"))
        desk.feed.start(ACCOUNT)
        await until(lambda: len(desk.exchange.asked) == 2 * len(READS))
        desk.exchange.release()
        await listener.has(order("new"))
        await listener.leave()


async def test_the_list_is_asked_for_until_it_comes() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["open orders"] = NotSent("market/user-orders", "connect")
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.asked)
        desk.list(order("o1"))
        await listener.has(order("o1"))
        await listener.leave()


async def test_the_list_is_not_asked_for_while_the_stream_is_cut() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["open orders"] = NotSent("market/user-orders", "connect")
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.asked)
        desk.feed.cut()
        await asyncio.sleep(0.6)
        assert sorted(desk.exchange.asked) == sorted(READS)
        await listener.leave()


async def test_who_reads_too_slowly_is_told_so_and_the_others_read_on() -> None:
    async with desk_of(queue_size=3) as desk:
        desk.list(order("known"))
        slow, quick = desk.stream.orders(), Listener(desk.stream.orders())
        first = asyncio.ensure_future(anext(slow))
        await turns()
        desk.feed.start(ACCOUNT)
        assert await first == order("known")
        sent = [order(f"o{number}") for number in range(6)]
        for each in sent:
            desk.feed.tell(ACCOUNT, each)
            await turns()
        with pytest.raises(Exception, match="slow subscriber"):
            await anext(slow)
        await quick.has(order("known"), *sent)
        await quick.leave()


async def test_the_account_is_held_while_somebody_waits_for_it_to_start() -> None:
    """One subscriber leaves, the linger ends, and another is still waiting."""
    async with desk_of(linger_s=0.01) as desk:
        desk.list(order("o1"))
        first = Listener(desk.stream.orders())
        second = Listener(desk.stream.orders())
        await turns()
        await first.leave()
        await asyncio.sleep(0.05)
        assert desk.feed.wanted == [ACCOUNT]
        desk.feed.start(ACCOUNT)
        await second.has(order("o1"))
        await second.leave()


async def test_after_the_last_subscriber_and_the_linger_the_account_is_let_go() -> None:
    async with desk_of(linger_s=0.01) as desk:
        desk.list(order("o1"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(order("o1"))
        await listener.leave()
        await until(lambda: not desk.feed.wanted)
        again = Listener(desk.stream.orders())
        await turns()
        assert again.heard == []
        desk.list(order("o2"))
        desk.feed.start(ACCOUNT)
        await again.has(order("o2"))
        await again.leave()


async def test_who_follows_again_hears_nothing_before_all_is_read_again() -> None:
    async with desk_of(linger_s=0.01) as desk:
        desk.hold(balance("BTC", 5, 0))
        listener = Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(balance("BTC", 5, 0))
        await listener.leave()
        await until(lambda: not desk.feed.wanted)
        desk.hold(balance("BTC", 1, 1))
        again = Listener(desk.stream.balances())
        await turns()
        assert again.heard == []
        desk.feed.start(ACCOUNT)
        await again.has(balance("BTC", 1, 1))
        await again.leave()


async def test_who_follows_again_does_not_hear_which_orders_ended_for_others() -> None:
    async with desk_of(linger_s=0.01) as desk:
        desk.list(order("o1"))
        listener = Listener(desk.stream.orders())
        await turns()
        desk.exchange.hold()
        desk.feed.start(ACCOUNT)
        desk.feed.tell(ACCOUNT, order("o2", filled=10, status=FILLED))
        await listener.leave()
        await until(lambda: not desk.feed.wanted)
        desk.exchange.release()
        again = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await again.has(order("o1"))
        await again.leave()


async def test_a_reading_that_was_under_way_when_all_left_is_not_taken() -> None:
    async with desk_of(linger_s=0.01) as desk:
        desk.hold(balance("BTC", 5, 0))
        listener = Listener(desk.stream.balances())
        await turns()
        desk.exchange.hold()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.waiting == len(READS))
        await listener.leave()
        await until(lambda: not desk.feed.wanted)
        again = Listener(desk.stream.balances())
        await turns()
        desk.hold(balance("BTC", 1, 1))
        desk.exchange.release()
        await asyncio.sleep(0.05)
        assert again.heard == []
        desk.feed.start(ACCOUNT)
        await again.has(balance("BTC", 1, 1))
        await again.leave()


async def test_stopping_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with desk_of() as desk:
        desk.exchange.hold()
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.exchange.waiting)
        await listener.leave()
    await turns()
    assert asyncio.all_tasks() == before
