import asyncio

import pytest

from gateway.domain.errors import NotSent, RateLimited
from gateway.domain.orders import OrderStatus
from gateway.domain.streams import Gap
from gateway.services.account_stream import ACCOUNT
from tests.unit.services.examples import available, balance, fill, held, order, turns, until
from tests.unit.services.following import READS, Listener, desk_of

pytestmark = pytest.mark.anyio

FILLED = OrderStatus.FILLED


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
