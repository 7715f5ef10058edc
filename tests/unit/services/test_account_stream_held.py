"""What an account's stream knows, and since when nothing is missing of it."""

import asyncio
from dataclasses import replace

import pytest

from gateway.domain.errors import NotSent, SourceUnavailable
from gateway.domain.orders import OrderStatus
from gateway.domain.streams import Gap
from gateway.services.account_stream import ACCOUNT
from tests.unit.services.examples import balance, fill, held, order, turns, until
from tests.unit.services.following import READS, Listener, desk_of

pytestmark = pytest.mark.anyio


async def test_an_account_that_is_held_is_followed_though_nobody_listens() -> None:
    async with desk_of(linger_s=0.01) as desk:
        assert desk.stream.whole_since is None
        with desk.stream.held():
            assert desk.feed.wanted == [ACCOUNT]
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
        await until(lambda: not desk.feed.wanted)
        assert desk.stream.whole_since is None


async def test_the_account_stays_followed_while_it_is_held_again_in_time() -> None:
    async with desk_of(linger_s=2) as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
        for _ in range(5):
            await asyncio.sleep(0.5)
            with desk.stream.held():
                assert desk.stream.whole_since is not None


async def test_it_is_whole_from_when_the_exchange_confirmed_it() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            since = desk.stream.whole_since
            assert since is not None
            assert desk.clock.now - 500 < since < desk.clock.now
            desk.clock.now += 5_000
            assert desk.stream.whole_since == since
            desk.feed.cut()
            assert desk.stream.whole_since is None
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            assert desk.stream.whole_since > since + 4_000


async def test_it_is_not_whole_back_to_an_end_that_is_no_longer_kept() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.stream.mirror.orders.forgotten_until = 2_000_000
            assert desk.stream.whole_since == 2_000_000


async def test_it_counts_as_whole_when_the_exchange_answers_on_it() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            assert await desk.stream.confirmed() is None
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            assert await desk.stream.confirmed() == desk.stream.whole_since
            desk.feed.answers = False
            assert await desk.stream.confirmed() is None


async def test_what_stands_is_as_it_was_when_the_fills_were_asked_for() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        desk.hold(balance("BTC", 5, 0))
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            assert desk.stream.standing is None
            desk.exchange.answers["fills"] = (fill(1),)
            desk.exchange.hold("fills")
            reading = asyncio.ensure_future(desk.stream.read_fills())
            await until(lambda: desk.exchange.waiting)
            asked_at = desk.clock.now
            desk.clock.now += 100
            desk.feed.tell(ACCOUNT, order("o2"))
            desk.feed.tell(ACCOUNT, held("BTC", 1))
            desk.exchange.release()
            await reading
            standing = desk.stream.standing
            assert standing is not None
            assert (standing.at, standing.fills) == (asked_at, (fill(1),))
            assert (standing.orders, standing.balances) == ((order("o1"),), (balance("BTC", 5, 0),))
            desk.feed.cut()
            assert desk.stream.standing is None


async def test_fills_that_were_asked_for_before_a_break_tell_nothing_of_after_it() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.exchange.hold("fills")
            reading = asyncio.ensure_future(desk.stream.read_fills())
            await until(lambda: desk.exchange.waiting)
            desk.feed.cut()
            desk.exchange.release()
            with pytest.raises(SourceUnavailable):
                await reading
            assert desk.stream.standing is None


async def test_fills_that_cannot_be_read_say_so() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.exchange.answers["fills"] = NotSent("market/user-trades", "connect")
            with pytest.raises(NotSent):
                await desk.stream.read_fills()


async def test_everything_is_told_as_it_is_learnt() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        desk.hold(balance("BTC", 5, 0))
        desk.exchange.answers["fills"] = (fill(1),)
        listener = Listener(desk.stream.everything())
        await turns()
        desk.feed.start(ACCOUNT)
        await listener.has(order("o1"), balance("BTC", 5, 0))
        desk.exchange.answers["fills"] = (fill(2), fill(1))
        done = order("o1", filled=10, status=OrderStatus.FILLED)
        desk.feed.tell(ACCOUNT, done)
        await listener.has(order("o1"), balance("BTC", 5, 0), done, fill(2))
        listener.heard.clear()
        desk.feed.cut(since=7)
        desk.list()
        desk.exchange.answers["fills"] = (fill(3), fill(2), fill(1))
        desk.feed.start(ACCOUNT)
        await listener.has(Gap(7, "cut"), balance("BTC", 5, 0), fill(3))
        await listener.leave()


async def test_who_follows_everything_later_hears_what_stands_and_no_fill_of_before() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        desk.exchange.answers["fills"] = (fill(1),)
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            listener = Listener(desk.stream.everything())
            await listener.has(order("o1"))
            second = replace(order("o2"), time=2_000)
            desk.feed.tell(ACCOUNT, second)
            await listener.has(order("o1"), second)
            await listener.leave()
        assert desk.times_asked(READS[2]) >= 1
