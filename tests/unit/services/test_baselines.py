import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.errors import NotSent, SourceUnavailable, UnknownAccount, UnknownSymbol
from gateway.domain.market import Market, OrderSide
from gateway.domain.orders import OrderStatus
from gateway.domain.placements import OpenOrder
from gateway.services.account_stream import ACCOUNT
from gateway.services.baselines import AccountView, Baselines
from tests.unit.services.desks import Watch, reads_of, streams_of
from tests.unit.services.examples import BTC, ETH, balance, fill, order, until
from tests.unit.services.following import READS, Desk, desk_of

pytestmark = pytest.mark.anyio

BUY = OrderSide.BUY


async def market(symbol: str) -> Market:
    if symbol not in (BTC, ETH):
        raise UnknownSymbol(symbol)
    return Market(symbol, symbol[:3], symbol[:3], symbol[3:])


def baselines_of(desk: Desk) -> Baselines:
    return Baselines(
        streams=streams_of({"demo": desk.stream}),
        exchange=desk.exchange.client,
        reads=reads_of(Watch()),
        market=market,
        exchange_now=desk.clock,
    )


@asynccontextmanager
async def whole_desk() -> AsyncIterator[tuple[Desk, Baselines]]:
    """An account whose stream is whole, with an order, balances and a fill."""
    async with desk_of(fills_every_s=60) as desk:
        desk.list(order("o1", filled=1))
        desk.hold(balance("BTC", 5, 1), balance("ETH", 7, 0))
        desk.exchange.answers["fills"] = (fill(1),)
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            desk.exchange.asked.clear()
            yield desk, baselines_of(desk)


def opened(view: AccountView) -> dict[str, Decimal]:
    return {each.order_id: each.filled for each in view.baseline.orders}


async def test_without_a_stream_the_account_is_read_and_its_stream_wanted() -> None:
    async with desk_of() as desk:
        desk.list(order("o1", filled=1), order("o2", symbol=ETH))
        desk.hold(balance("BTC", 5, 1), balance("ETH", 7, 0))
        desk.exchange.answers["fills"] = (fill(2), fill(1))
        view = await baselines_of(desk).of("demo", BTC, BUY, fresh_fills=True)
        assert sorted(desk.exchange.asked) == sorted(READS)
        assert desk.exchange.asked[-1] == "fills"
        assert desk.feed.wanted == [ACCOUNT]
    baseline = view.baseline
    assert (baseline.taken_at, baseline.stream_since) == (desk.clock.now, None)
    assert baseline.orders == (OpenOrder("o1", Decimal(1)),)
    assert baseline.fills == (fill(2), fill(1))
    assert baseline.totals == {"BTC": Decimal(6), "USDT": Decimal(0)}
    assert view.open_orders == (order("o1", filled=1), order("o2", symbol=ETH))
    assert view.balances["ETH"] == balance("ETH", 7, 0)


async def test_from_a_whole_stream_with_current_fills_it_costs_nothing() -> None:
    async with whole_desk() as (desk, baselines):
        await baselines.of("demo", BTC, BUY, fresh_fills=True)
        assert desk.exchange.asked == ["fills"]
        desk.clock.now += 60_000
        view = await baselines.of("demo", BTC, BUY, fresh_fills=True)
        assert desk.exchange.asked == ["fills"]
        assert view.baseline.taken_at == desk.clock.now
        assert view.baseline.stream_since == desk.stream.whole_since
        assert view.baseline.fills == (fill(1),)
        assert opened(view) == {"o1": 1}


async def test_fills_that_are_outdated_serve_for_a_moment_unless_they_must_be_fresh() -> None:
    async with whole_desk() as (desk, baselines):
        await baselines.of("demo", BTC, BUY, fresh_fills=True)
        desk.feed.tell(ACCOUNT, order("o2"))
        desk.clock.now += 2_000
        view = await baselines.of("demo", BTC, BUY, fresh_fills=False)
        assert desk.exchange.asked == ["fills"]
        assert view.baseline.taken_at == desk.clock.now - 2_000
        await baselines.of("demo", BTC, BUY, fresh_fills=True)
        assert desk.exchange.asked == ["fills", "fills"]
        desk.feed.tell(ACCOUNT, order("o3"))
        desk.clock.now += 2_001
        await baselines.of("demo", BTC, BUY, fresh_fills=False)
        assert desk.exchange.asked == ["fills"] * 3


async def test_what_orders_and_balances_tell_since_the_fills_is_left_to_later_fills() -> None:
    """Else a fill would be news to who compares later, and no order account for it."""
    async with whole_desk() as (desk, baselines):
        await baselines.of("demo", BTC, BUY, fresh_fills=True)
        desk.feed.tell(ACCOUNT, order("o1", filled=4, status=OrderStatus.PARTIALLY_FILLED))
        desk.feed.tell(ACCOUNT, order("o2", filled=3, status=OrderStatus.PARTIALLY_FILLED))
        desk.feed.tell(ACCOUNT, order("o3", symbol=ETH))
        view = await baselines.of("demo", BTC, BUY, fresh_fills=False)
        assert opened(view) == {"o1": 1, "o2": 0}
        assert {each.order_id for each in view.open_orders} == {"o1", "o2", "o3"}
        desk.feed.tell(ACCOUNT, order("o1", filled=10, status=OrderStatus.FILLED))
        view = await baselines.of("demo", BTC, BUY, fresh_fills=False)
        assert opened(view) == {"o1": 1, "o2": 0}
        assert "o1" not in {each.order_id for each in view.open_orders}


async def test_orders_that_were_over_at_the_fills_though_just_placed_are_named() -> None:
    async with whole_desk() as (desk, baselines):
        now, ended = desk.clock.now, OrderStatus.FILLED
        for name, age, symbol in (("o2", 2_000, BTC), ("o3", 2_001, BTC), ("o4", 0, ETH)):
            over = order(name, symbol=symbol, filled=10, status=ended)
            desk.feed.tell(ACCOUNT, replace(over, time=now - age))
        view = await baselines.of("demo", BTC, BUY, fresh_fills=True)
        assert view.baseline.ended == ("o2",)
        assert view.baseline.order_ids == {"o1", "o2"}


async def test_a_stream_that_breaks_on_the_way_is_made_up_for_by_reading() -> None:
    async with whole_desk() as (desk, baselines):
        desk.exchange.hold("fills")
        taking = asyncio.ensure_future(baselines.of("demo", BTC, BUY, fresh_fills=True))
        await until(lambda: desk.exchange.waiting)
        desk.feed.cut()
        desk.exchange.release()
        view = await taking
        assert view.baseline.stream_since is None
        assert desk.exchange.asked.count("open orders") == 1


async def test_an_account_that_cannot_be_read_gives_no_baseline() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["balances"] = NotSent("balance/wallet", "connect")
        with pytest.raises(SourceUnavailable, match="account demo"):
            await baselines_of(desk).of("demo", BTC, BUY, fresh_fills=False)


async def test_what_is_not_known_is_said_to_be() -> None:
    async with desk_of() as desk:
        baselines = baselines_of(desk)
        with pytest.raises(UnknownAccount):
            await baselines.of("nobody", BTC, BUY, fresh_fills=False)
        with pytest.raises(UnknownSymbol):
            await baselines.of("demo", "GONE", BUY, fresh_fills=False)


async def test_the_exchange_s_time_is_asked_for_where_it_is_not_known() -> None:
    async with desk_of() as desk:
        baselines = Baselines(
            streams=streams_of({"demo": desk.stream}),
            exchange=desk.exchange.client,
            reads=reads_of(Watch()),
            market=market,
            exchange_now=lambda: None,
        )
        with pytest.raises(SourceUnavailable, match="time"):
            await baselines.of("demo", BTC, BUY, fresh_fills=False)
        assert desk.exchange.asked == ["clock"]
