import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.domain.account import Balance
from gateway.domain.errors import NotSent, RateLimited
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.streams import Gap
from gateway.services.account_stream import ACCOUNT, AccountStream
from tests.unit.services.examples import (
    StandInExchange,
    StandInFeed,
    available,
    balance,
    fill,
    held,
    order,
    sign,
    turns,
    until,
)

pytestmark = pytest.mark.anyio

FILLED = OrderStatus.FILLED
READS = ("open orders", "balances", "fills")
CLOSED_UNKNOWN = OrderStatus.CLOSED_UNKNOWN


@dataclass
class Desk:
    stream: AccountStream
    feed: StandInFeed
    exchange: StandInExchange

    def list(self, *orders: Order) -> None:
        self.exchange.answers["open orders"] = orders

    def hold(self, *balances: Balance) -> None:
        self.exchange.answers["balances"] = balances

    def times_asked(self, what: str) -> int:
        return self.exchange.asked.count(what)


@asynccontextmanager
async def desk_of(
    *,
    queue_size: int = 100,
    linger_s: float = 60,
    settle_s: float = 0.01,
    fills_every_s: float = 0.01,
) -> AsyncIterator[Desk]:
    feed, exchange = StandInFeed(), StandInExchange()
    stream = AccountStream(
        account="demo",
        feed=feed.feed,
        exchange=exchange.client,
        sign=sign,
        queue_size=queue_size,
        linger_s=linger_s,
        settle_s=settle_s,
        fills_every_s=fills_every_s,
    )
    running = asyncio.create_task(stream.run())
    await turns()
    try:
        yield Desk(stream, feed, exchange)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await turns()


class Listener:
    """Reads a stream in a task of its own."""

    def __init__(self, events: AsyncIterator[Order | Gap] | AsyncIterator[Balance | Gap]) -> None:
        self.heard: list[Order | Balance | Gap] = []
        self.task = asyncio.create_task(self._listen(events))

    async def _listen(
        self, stream: AsyncIterator[Order | Gap] | AsyncIterator[Balance | Gap]
    ) -> None:
        async with aclosing(stream) as events:  # type: ignore[type-var]
            async for event in events:
                self.heard.append(event)

    async def has(self, *events: Order | Balance | Gap) -> None:
        await until(lambda: len(self.heard) >= len(events) or self.task.done())
        assert self.heard == list(events)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


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


async def test_a_subscriber_gets_all_balances_and_then_each_change() -> None:
    async with desk_of() as desk:
        desk.hold(balance("BTC", 5, 0), balance("TRY", 100, 0))
        listener = Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(balance("BTC", 5, 0), balance("TRY", 100, 0))
        desk.feed.tell(ACCOUNT, available("BTC", 3))
        desk.feed.tell(ACCOUNT, held("BTC", 2))
        desk.feed.tell(ACCOUNT, available("BTC", 4))
        desk.feed.tell(ACCOUNT, held("BTC", 1))
        first, second = balance("BTC", 3, 2), balance("BTC", 4, 1)
        await listener.has(balance("BTC", 5, 0), balance("TRY", 100, 0), first, second)
        later = Listener(desk.stream.balances())
        await later.has(second, balance("TRY", 100, 0))
        await listener.leave()
        await later.leave()


async def test_a_part_of_a_balance_that_stays_alone_is_told_after_its_wait() -> None:
    async with desk_of() as desk:
        desk.hold(balance("BTC", 5, 1))
        listener = Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(balance("BTC", 5, 1))
        desk.feed.tell(ACCOUNT, available("BTC", 7))
        assert listener.heard == [balance("BTC", 5, 1)]
        await listener.has(balance("BTC", 5, 1), balance("BTC", 7, 1))
        await listener.leave()


async def test_after_a_break_followers_of_balances_get_a_gap_and_then_all_of_them() -> None:
    async with desk_of() as desk:
        desk.hold(balance("BTC", 5, 0))
        orders, balances = Listener(desk.stream.orders()), Listener(desk.stream.balances())
        await turns()
        assert desk.feed.wanted == [ACCOUNT]
        desk.feed.start(ACCOUNT)
        await balances.has(balance("BTC", 5, 0))
        desk.feed.tell(ACCOUNT, available("BTC", 4))
        desk.feed.cut(since=7)
        desk.hold(balance("BTC", 1, 1))
        desk.feed.start(ACCOUNT)
        await balances.has(balance("BTC", 5, 0), Gap(7, "cut"), balance("BTC", 1, 1))
        await orders.has(Gap(7, "cut"))
        await orders.leave()
        await balances.leave()


async def test_a_wallet_waits_for_the_frames_that_it_may_be_ahead_of() -> None:
    """It shows what a frame still on its way will tell last; what is told before is older."""
    async with desk_of(settle_s=0.1) as desk:
        desk.hold(balance("BTC", 3, 4))
        listener = Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.times_asked("balances"))
        await turns()
        desk.feed.tell(ACCOUNT, available("BTC", 2))
        desk.feed.tell(ACCOUNT, order())
        desk.feed.tell(ACCOUNT, available("BTC", 3))
        desk.feed.tell(ACCOUNT, held("BTC", 4))
        await listener.has(balance("BTC", 3, 4))
        desk.feed.tell(ACCOUNT, available("BTC", 7))
        desk.feed.tell(ACCOUNT, held("BTC", 0))
        await listener.has(balance("BTC", 3, 4), balance("BTC", 7, 0))
        await listener.leave()


@pytest.mark.parametrize("missing", READS)
async def test_an_account_is_whole_only_when_orders_wallet_and_fills_all_came(missing: str) -> None:
    answers = {"open orders": (order("o1"),), "balances": (balance("BTC", 5, 0),)}
    async with desk_of() as desk:
        desk.exchange.answers |= {**answers, missing: NotSent("a read", "connect")}
        orders, balances = Listener(desk.stream.orders()), Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.times_asked(missing) == 2)
        assert (orders.heard, balances.heard) == ([], [])
        desk.exchange.answers |= {"fills": (), **answers}
        await orders.has(order("o1"))
        await balances.has(balance("BTC", 5, 0))
        await orders.leave()
        await balances.leave()


async def test_a_follower_of_balances_who_reads_too_slowly_is_told_so() -> None:
    async with desk_of(queue_size=3) as desk:
        desk.hold(balance("BTC", 5, 0))
        slow = desk.stream.balances()
        first = asyncio.ensure_future(anext(slow))
        await turns()
        desk.feed.start(ACCOUNT)
        assert await first == balance("BTC", 5, 0)
        for quantity in range(6):
            desk.feed.tell(ACCOUNT, available("BTC", quantity))
        with pytest.raises(RateLimited):
            await anext(slow)


async def test_fills_are_read_again_once_for_all_that_outdated_them_together() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        assert desk.times_asked("fills") == 1
        desk.exchange.answers["fills"] = (fill(1),)
        for number in range(20):
            desk.feed.tell(ACCOUNT, order(f"o{number}", filled=10, status=FILLED))
        assert not desk.stream.mirror.fills.current
        await until(lambda: desk.stream.mirror.fills.current)
        assert desk.stream.mirror.fills.fills() == (fill(1),)
        assert desk.times_asked("fills") == 2
        await listener.leave()


async def test_fills_that_do_not_come_are_asked_for_again() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        desk.exchange.answers["fills"] = NotSent("market/user-trades", "connect")
        desk.feed.tell(ACCOUNT, available("BTC", 1))
        await until(lambda: desk.times_asked("fills") >= 3)
        assert not desk.stream.mirror.fills.current
        desk.exchange.answers["fills"] = (fill(1),)
        await until(lambda: desk.stream.mirror.fills.current)
        await listener.leave()


async def test_fills_are_not_read_while_nobody_listens_and_are_when_somebody_does() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        await listener.leave()
        desk.feed.tell(ACCOUNT, order(filled=10, status=FILLED))
        await asyncio.sleep(0.05)
        assert desk.times_asked("fills") == 1
        again = Listener(desk.stream.orders())
        await until(lambda: desk.stream.mirror.fills.current)
        assert desk.times_asked("fills") == 2
        await again.leave()


async def test_fills_are_not_current_from_a_break_until_they_are_read_again() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        desk.feed.cut()
        assert not desk.stream.mirror.fills.current
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        await listener.leave()


async def test_fills_of_an_account_that_is_let_go_are_not_current() -> None:
    async with desk_of(linger_s=0.01) as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        await listener.leave()
        await until(lambda: not desk.feed.wanted)
        assert not desk.stream.mirror.fills.current


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
