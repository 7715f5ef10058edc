import asyncio
from decimal import Decimal

import pytest

from gateway.domain.budgets import Notional
from gateway.domain.errors import GatewayError, SourceUnavailable, UnknownSymbol
from gateway.domain.market import OrderSide
from gateway.domain.orders import PlaceOrder
from gateway.domain.streams import Broken, Started, Update
from tests.unit.services.examples import BTC, SOFT_MS, command_of, listing, ticker, turns
from tests.unit.services.limiting import (
    AWAY,
    BUY,
    LIMIT,
    MARKET,
    NOWHERE,
    SELL,
    STOP,
    T,
    book,
    desk_of,
    grant,
    refusal,
    usdt,
)
from tests.unit.services.test_market_data import TOP_TOPIC

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("command", [LIMIT, STOP, MARKET], ids=lambda each: each.type)
async def test_a_grant_without_limits_asks_neither_redis_nor_the_exchange(
    command: PlaceOrder,
) -> None:
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", grant(), command)
        assert desk.market.exchange.asked == []


@pytest.mark.parametrize(
    ("command", "total"),
    [
        (command_of(T.LIMIT, price="100", quantity="2"), "200"),
        (command_of(T.LIMIT, SELL, price="100", quantity="2"), "200"),
        (command_of(T.STOP_LIMIT, stop_price="1", price="100", quantity="2"), "200"),
        (command_of(T.MARKET, quantity="2"), "210"),
        (command_of(T.MARKET, SELL, quantity="2"), "207.9"),
        (command_of(T.FAST, SELL, quantity="2"), "207.9"),
        (command_of(T.FAST, quote_total="123.45"), "123.45"),
        (
            command_of(T.LIMIT, price="53963.1234567890123456789", quantity="1.00000000000001"),
            "53963.123456789551976913467890123456789",
        ),
    ],
    ids=["limit", "limit-sell", "stop", "market", "market-sell", "fast-sell", "fast-buy", "exact"],
)
async def test_an_order_counts_its_price_or_the_far_side_plus_the_collar(
    command: PlaceOrder, total: str
) -> None:
    granted = grant(order_notional=usdt("1"), collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        assert await desk.limiter.notional(command, granted) == Notional("USDT", Decimal(total))


async def test_an_order_may_be_as_large_as_the_limit_and_no_larger() -> None:
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", grant(order_notional=usdt("200")))
        refused = await refusal(desk, grant(order_notional=usdt("199.99")))
    assert refused.limit == "order_notional"
    assert refused.problem == "the order counts 200 USDT; 199.99 are the most"


async def test_an_order_in_an_asset_that_is_not_listed_is_refused() -> None:
    async with desk_of(NOWHERE) as desk:
        refused = await refusal(desk, grant(order_notional={"TRY": Decimal(10**9)}))
    assert (refused.limit, refused.retry_after) == ("order_notional", None)


async def test_a_market_order_without_a_collar_is_refused_where_its_notional_counts() -> None:
    async with desk_of(NOWHERE) as desk:
        refused = await refusal(desk, grant(order_notional=usdt("1000")), MARKET)
    assert refused.limit == "collar_percent"


@pytest.mark.parametrize("top", [AWAY, book("99", None)], ids=["away", "empty"])
async def test_a_market_order_without_a_fresh_far_side_is_refused(top: object) -> None:
    granted = grant(order_notional=usdt("1000"), collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        desk.market.exchange.answers |= {f"top {BTC}": top, f"ticker {BTC}": ticker(100)}
        refused = await refusal(desk, granted, MARKET)
    assert (refused.limit, refused.retry_after) == ("collar_percent", 1)


@pytest.mark.parametrize(
    ("side", "good", "bad", "bound"),
    [
        (BUY, "105", "105.0000000000000000000000000000001", "above 105"),
        (SELL, "94.05", "94.0499", "below 94.05"),
    ],
    ids=["buy", "sell"],
)
async def test_a_limit_price_may_lie_as_far_beyond_the_far_side_as_the_collar(
    side: OrderSide, good: str, bad: str, bound: str
) -> None:
    granted = grant(collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", granted, command_of(T.LIMIT, side, price=good, quantity="1"))
        far = command_of(T.LIMIT, side, price=bad, quantity="1")
        refused = await refusal(desk, granted, far)
    assert (refused.limit, refused.retry_after) == ("collar_percent", None)
    assert bound in refused.problem


@pytest.mark.parametrize(("side", "price"), [(BUY, "0.01"), (SELL, "1000000")], ids=["buy", "sell"])
async def test_a_price_away_from_the_market_is_no_matter_of_the_collar(
    side: OrderSide, price: str
) -> None:
    async with desk_of(NOWHERE) as desk:
        command = command_of(T.LIMIT, side, price=price, quantity="1")
        await desk.reserve("p1", grant(collar_percent=Decimal(5)), command)


async def test_the_collar_of_a_stop_limit_order_is_around_its_own_stop_price() -> None:
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", grant(collar_percent=Decimal(2)), STOP)
        refused = await refusal(desk, grant(collar_percent=Decimal("1.9")), STOP)
        assert desk.market.exchange.asked == []
    assert "509.5" in refused.problem


async def test_without_a_far_side_the_last_price_is_the_measure() -> None:
    granted = grant(collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        desk.market.exchange.answers |= {
            f"top {BTC}": book("99", None),
            f"ticker {BTC}": ticker(95),
        }
        refused = await refusal(desk, granted)
        assert "95" in refused.problem
        desk.market.clock.now += SOFT_MS
        desk.market.exchange.answers[f"ticker {BTC}"] = ticker(96)
        await desk.reserve("p1", granted)


async def test_a_stale_price_is_read_again_and_never_used() -> None:
    granted = grant(collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", granted)
        desk.market.clock.now += SOFT_MS
        desk.market.exchange.answers[f"top {BTC}"] = book("90", "91")
        assert "91" in (await refusal(desk, granted)).problem
        desk.market.clock.now += SOFT_MS
        desk.market.exchange.answers |= {f"top {BTC}": AWAY, f"ticker {BTC}": AWAY}
        refused = await refusal(desk, granted)
    assert (refused.limit, refused.retry_after) == ("collar_percent", 1)
    assert refused.problem == f"no fresh price of {BTC} is known to measure the order by"


async def test_orders_at_once_share_one_reading_of_the_price() -> None:
    granted = grant(collar_percent=Decimal(5))
    async with desk_of(NOWHERE) as desk:
        desk.market.exchange.hold()
        orders = [asyncio.create_task(desk.reserve(f"p{number}", granted)) for number in range(20)]
        await turns()
        desk.market.exchange.release()
        await asyncio.gather(*orders)
        assert desk.market.exchange.asked == [f"top {BTC}"]


async def test_a_price_that_grows_stale_while_it_is_read_is_not_used() -> None:
    async with desk_of(NOWHERE) as desk:
        desk.market.exchange.answers[f"ticker {BTC}"] = AWAY
        desk.market.exchange.hold(f"top {BTC}")
        waiting = asyncio.create_task(refusal(desk, grant(collar_percent=Decimal(5))))
        await turns()
        now = desk.market.clock()
        desk.market.market_data.receive(Started(TOP_TOPIC, now))
        desk.market.market_data.receive(Update(TOP_TOPIC, book("99", "100"), now))
        desk.market.market_data.receive(Broken(now, "cut"))
        desk.market.exchange.release()
        assert (await waiting).retry_after == 1


@pytest.mark.parametrize(
    ("markets", "raised"),
    [(listing("ETHUSDT"), UnknownSymbol), (AWAY, SourceUnavailable)],
    ids=["unknown", "away"],
)
async def test_an_order_in_a_market_that_is_not_known_is_refused(
    markets: object, raised: type[GatewayError]
) -> None:
    async with desk_of(NOWHERE) as desk:
        desk.market.exchange.answers["markets"] = markets
        with pytest.raises(raised):
            await desk.reserve("p1", grant(day_notional=usdt("1000")))
