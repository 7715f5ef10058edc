import asyncio
from decimal import Decimal

import pytest

from gateway.domain.errors import NotSent
from gateway.domain.orders import OrderStatus
from gateway.services.account_stream import ACCOUNT
from gateway.services.pictures import Pictures
from tests.unit.services.desks import Watch, reads_of, streams_of
from tests.unit.services.examples import balance, fill, order, until
from tests.unit.services.following import Desk, desk_of

pytestmark = pytest.mark.anyio


def pictures_of(desk: Desk) -> Pictures:
    return Pictures(
        streams=streams_of({"demo": desk.stream}),
        exchange=desk.exchange.client,
        reads=reads_of(Watch()),
        exchange_now=desk.clock,
    )


async def test_a_picture_has_orders_and_balances_between_two_equal_lists_of_fills() -> None:
    async with desk_of() as desk:
        desk.list(order("o1"))
        desk.hold(balance("BTC", 5, 1))
        desk.exchange.answers["fills"] = (fill(1),)
        picture = await pictures_of(desk).take("demo")
        assert picture is not None
        assert desk.exchange.asked[0] == desk.exchange.asked[-1] == "fills"
        assert sorted(desk.exchange.asked[1:-1]) == ["balances", "open orders"]
        assert (picture.orders, picture.fills) == ((order("o1"),), (fill(1),))
        assert (picture.totals, picture.read_at) == ({"BTC": Decimal(6)}, desk.clock.now)
        assert (picture.stream_since, picture.ended) == (None, ())


async def test_what_was_filled_meanwhile_is_read_again() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["fills"] = (fill(1),)
        desk.exchange.hold("open orders")
        taking = asyncio.ensure_future(pictures_of(desk).take("demo"))
        await until(lambda: "balances" in desk.exchange.asked and desk.exchange.waiting)
        desk.exchange.answers["fills"] = (fill(2), fill(1))
        desk.exchange.release()
        picture = await taking
        assert picture is not None
        assert picture.fills == (fill(2), fill(1))
        assert desk.times_asked("open orders") == 2


async def test_there_is_no_picture_of_what_cannot_be_read() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["balances"] = NotSent("balance/wallet", "connect")
        assert await pictures_of(desk).take("demo") is None
        assert await pictures_of(desk).take("nobody") is None


async def test_a_picture_tells_what_the_stream_told_the_end_of_and_since_when_it_is_whole() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            done = order("o1", filled=10, status=OrderStatus.FILLED)
            desk.feed.tell(ACCOUNT, done)
            picture = await pictures_of(desk).take("demo")
            assert picture is not None
            assert (picture.ended, picture.stream_since) == ((done,), desk.stream.whole_since)


async def test_an_end_told_after_the_fills_were_read_again_is_for_the_next_picture() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.exchange.asked.clear()
            desk.exchange.hold("open orders")
            taking = asyncio.ensure_future(pictures_of(desk).take("demo"))
            await until(lambda: desk.exchange.waiting)
            desk.exchange.release()
            desk.exchange.hold("fills")
            await until(lambda: desk.times_asked("fills") == 2)
            desk.feed.tell(ACCOUNT, order("o1", filled=10, status=OrderStatus.FILLED))
            desk.exchange.release()
            picture = await taking
            assert picture is not None
            assert picture.ended == ()


async def test_a_stream_on_which_the_exchange_answers_nothing_proves_nothing() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.feed.answers = False
            picture = await pictures_of(desk).take("demo")
            assert picture is not None
            assert picture.stream_since is None


async def test_a_stream_that_was_broken_during_the_reading_proves_nothing() -> None:
    async with desk_of() as desk:
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.exchange.hold("open orders")
            taking = asyncio.ensure_future(pictures_of(desk).take("demo"))
            await until(lambda: "balances" in desk.exchange.asked[-2:] and desk.exchange.waiting)
            desk.clock.now += 1_000
            desk.feed.cut()
            desk.feed.start(ACCOUNT)
            desk.exchange.release()
            picture = await taking
            assert picture is not None
            assert picture.stream_since is None
