import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.access.policy import Action, Grant, OrderLimits
from gateway.domain.budgets import DAY_MS, Notional
from gateway.domain.errors import (
    GatewayError,
    NotRecorded,
    NotSent,
    OverLimit,
    SourceUnavailable,
    UnknownSymbol,
)
from gateway.domain.market import OrderSide, PriceLevel, TopOfBook
from gateway.domain.orders import (
    Order,
    OrderStatus,
    OrderType,
    Placement,
    PlacementState,
    PlaceOrder,
    Rejection,
)
from gateway.domain.streams import Broken, Started, Update
from gateway.services.order_limits import OrderLimiter
from gateway.store.budgets import BudgetKey, Budgets
from tests.unit.services.examples import (
    BTC,
    SOFT_MS,
    command_of,
    listing,
    open_patient,
    order,
    ticker,
    turns,
    until,
)
from tests.unit.services.test_market_data import TOP_TOPIC
from tests.unit.services.test_market_data import Desk as MarketDesk
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.store.examples import open_quick, placement
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

T, S = OrderType, PlacementState
BUY, SELL = OrderSide.BUY, OrderSide.SELL
AWAY = NotSent("market/orderbook", "connect")
NOWHERE = "redis://127.0.0.1:1"
KEY = BudgetKey("demo", "desk", "trade")
LIMIT = command_of(T.LIMIT, price="100", quantity="2")
STOP = command_of(T.STOP_LIMIT, stop_price="500", price="510", quantity="2")
MARKET = command_of(T.MARKET, quantity="2")
REJECTION = Rejection("INSUFFICIENT", "not enough")


def usdt(total: str) -> Mapping[str, Decimal]:
    return {"USDT": Decimal(total)}


def grant(**limits: Any) -> Grant:  # noqa: ANN401 - as many kinds as limits
    return Grant("trade", frozenset({Action.ORDERS_PLACE}), "demo", limits=OrderLimits(**limits))


def book(bid: str | None, ask: str | None) -> TopOfBook:
    bid_level, ask_level = (
        None if price is None else PriceLevel(Decimal(price), Decimal(1)) for price in (bid, ask)
    )
    return TopOfBook(BTC, bid_level, ask_level)


@dataclass
class OpenOrders:
    """What the exchange lists as open; holds its answers while `gate` is shut."""

    listed: list[str] = field(default_factory=list)
    failure: GatewayError | None = None
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, account: str) -> tuple[Order, ...]:
        assert account == "demo"
        self.asked += 1
        found = tuple(order(order_id) for order_id in self.listed)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found


@dataclass
class Desk:
    limiter: OrderLimiter
    budgets: Budgets
    market: MarketDesk
    open_orders: OpenOrders

    async def reserve(self, placement_id: str, granted: Grant, command: PlaceOrder = LIMIT) -> None:
        await self.limiter.reserve("desk", granted, command, placement_id)

    async def accept(self, placement_id: str, granted: Grant, order_id: str) -> None:
        await self.reserve(placement_id, granted)
        await self.limiter.settle(placed(placement_id, S.ACCEPTED, order=order(order_id)))

    async def claims(self) -> set[str]:
        return set((await self.budgets.read(KEY)).claims)

    async def spent(self) -> Decimal:
        return (await self.budgets.read(KEY)).spent.get("USDT", Decimal(0))


def placed(placement_id: str, state: PlacementState, **changes: Any) -> Placement:  # noqa: ANN401
    return replace(placement(), id=placement_id, state=state, **changes)


@asynccontextmanager
async def desk_of(
    url: str, *, patiently: bool = True, now: Callable[[], int] | None = None
) -> AsyncIterator[Desk]:
    market = market_desk()
    market.exchange.answers |= {"markets": listing(BTC), f"top {BTC}": book("99", "100")}
    open_orders = OpenOrders()
    open_orders.gate.set()
    async with open_patient(url) if patiently else open_quick(url) as redis:
        budgets = Budgets(redis)
        limiter = OrderLimiter(
            market_data=market.market_data,
            budgets=budgets,
            now=now or market.clock,
            open_orders=open_orders,
        )
        yield Desk(limiter, budgets, market, open_orders)
        await limiter.aclose()


async def refusal(desk: Desk, granted: Grant, command: PlaceOrder = LIMIT) -> OverLimit:
    with pytest.raises(OverLimit) as refused:
        await desk.reserve("refused", granted, command)
    assert refused.value.rule == "trade"
    return refused.value


@pytest.mark.parametrize("command", [LIMIT, STOP, MARKET], ids=lambda each: each.type)
async def test_a_grant_without_limits_asks_neither_redis_nor_the_exchange(
    command: PlaceOrder,
) -> None:
    async with desk_of(NOWHERE) as desk:
        await desk.reserve("p1", grant(), command)
        await desk.limiter.settle(placed("p1", S.ACCEPTED, order=order()))
        await desk.limiter.release("p1")
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


async def test_orders_of_a_day_take_of_its_notional_until_it_is_spent(valkey: ValkeyServer) -> None:
    granted = grant(day_notional=usdt("500"))
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await desk.accept("p2", granted, "o2")
        refused = await refusal(desk, granted)
        assert refused.problem == "the order counts 200 USDT; 100 of 500 are left until 00:00 UTC"
        desk.market.clock.now += DAY_MS
        await desk.reserve("p4", granted)


@pytest.mark.parametrize(
    ("ended", "claims", "spent"),
    [
        (placed("p1", S.ACCEPTED, order=order("o1")), {"p1"}, 200),
        (placed("p1", S.ACCEPTED, order=order("o1", 10, OrderStatus.FILLED)), set(), 200),
        (placed("p1", S.ACCEPTED, order=order(None)), set(), 200),
        (placed("p1", S.REJECTED, rejection=REJECTION), set(), 0),
        (placed("p1", S.REJECTED, rejection=REJECTION, evidence="may have traded"), {"p1"}, 200),
        (placed("p1", S.NOT_SENT, rejection=REJECTION), set(), 0),
        (placed("p1", S.UNKNOWN, evidence="timeout"), {"p1"}, 200),
    ],
    ids=["open", "filled", "no-id", "rejected", "perhaps-traded", "not-sent", "unknown"],
)
async def test_what_became_of_an_order_decides_what_it_keeps(
    valkey: ValkeyServer, ended: Placement, claims: set[str], spent: int
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", grant(day_notional=usdt("500"), open_orders=1))
        await desk.limiter.settle(ended)
        assert (await desk.claims(), await desk.spent()) == (claims, Decimal(spent))


async def test_an_order_that_was_never_sent_gives_all_back(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", grant(day_notional=usdt("500"), open_orders=1))
        await desk.limiter.release("p1")
        await desk.limiter.release("p1")
        assert (await desk.claims(), await desk.spent()) == (set(), Decimal(0))


async def test_an_order_that_the_exchange_lists_no_more_gives_its_place_back(
    valkey: ValkeyServer,
) -> None:
    granted = grant(open_orders=2)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        await desk.accept("p2", granted, "o2")
        assert desk.open_orders.asked == 0
        desk.open_orders.listed = ["o1", "o2", "another's"]
        refused = await refusal(desk, granted)
        assert (refused.limit, refused.retry_after) == ("open_orders", None)
        desk.open_orders.listed = ["o2"]
        await desk.reserve("p3", granted)
        assert await desk.claims() == {"p2", "p3"}


async def test_an_order_whose_outcome_nobody_knows_keeps_its_place(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await desk.limiter.settle(placed("p1", S.UNKNOWN))
        await refusal(desk, granted)
        assert desk.open_orders.asked == 0
        desk.market.clock.now += 2 * DAY_MS
        await desk.reserve("p2", granted)


async def test_a_market_order_needs_no_place(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.reserve("p1", granted)
        await desk.reserve("p2", granted, MARKET)
        assert await desk.claims() == {"p1"}


async def test_a_reading_says_nothing_of_orders_accepted_after_it_began(
    valkey: ValkeyServer,
) -> None:
    granted = grant(open_orders=2)
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        await one.accept("p1", granted, "o1")
        await one.accept("p2", granted, "o2")
        one.open_orders.listed = ["o2"]
        one.open_orders.gate.clear()
        waiting = asyncio.create_task(one.reserve("p3", granted))
        await until(lambda: one.open_orders.asked)
        other.open_orders.listed = ["o2"]
        await other.accept("p4", granted, "o4")
        one.open_orders.gate.set()
        with pytest.raises(OverLimit):
            await waiting
        assert await one.claims() == {"p2", "p4"}


async def test_orders_that_find_no_place_at_once_share_readings(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        desk.open_orders.listed = ["o1"]
        desk.open_orders.gate.clear()
        before = reads(valkey)
        late = [asyncio.create_task(desk.reserve(f"late{each}", granted)) for each in range(20)]
        await until(lambda: reads(valkey) == before + 2 * len(late))
        await turns()
        desk.open_orders.gate.set()
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(outcome, OverLimit) for outcome in outcomes)
        assert 2 <= desk.open_orders.asked < len(late)


def reads(valkey: ValkeyServer) -> int:
    """How many budgets were read so far."""
    told = re.search(rb"cmdstat_get:calls=([0-9]+)", valkey.command("INFO", "commandstats"))
    return int(told[1]) if told else 0


async def test_without_a_reading_the_places_count_as_taken(valkey: ValkeyServer) -> None:
    granted = grant(open_orders=1)
    async with desk_of(valkey.url) as desk:
        await desk.accept("p1", granted, "o1")
        desk.open_orders.failure = AWAY
        refused = await refusal(desk, granted)
        assert (refused.limit, refused.retry_after) == ("open_orders", 1)
        desk.open_orders.failure = None
        await desk.reserve("p2", granted)


async def test_replicas_that_race_keep_the_limit_together(valkey: ValkeyServer) -> None:
    granted = grant(day_notional=usdt("1000"), open_orders=4)
    async with desk_of(valkey.url) as one, desk_of(valkey.url) as other:
        outcomes = await asyncio.gather(
            *((one, other)[number % 2].reserve(f"p{number}", granted) for number in range(20)),
            return_exceptions=True,
        )
        assert [outcome for outcome in outcomes if outcome is None] == [None] * 4
        assert {outcome.limit for outcome in outcomes if isinstance(outcome, OverLimit)} == {
            "open_orders"
        }
        assert await one.spent() == 800


@pytest.mark.parametrize("limits", [{"day_notional": usdt("500")}, {"open_orders": 1}], ids=str)
async def test_with_redis_away_no_order_is_let_through(limits: dict[str, Any]) -> None:
    async with desk_of(NOWHERE, patiently=False) as desk:
        with pytest.raises(NotRecorded):
            await desk.reserve("p1", grant(**limits))


async def test_an_outcome_that_could_not_be_written_counts_with_the_next_order(
    own_valkey: ValkeyServer,
) -> None:
    granted = grant(day_notional=usdt("200"))
    async with desk_of(own_valkey.url, patiently=False) as desk:
        await desk.reserve("p1", granted)
        await asyncio.to_thread(own_valkey.stop)
        await desk.limiter.settle(placed("p1", S.REJECTED, rejection=REJECTION))
        await asyncio.to_thread(own_valkey.start)
        await desk.reserve("p2", granted)
        assert await desk.claims() == {"p2"}


async def test_a_claim_whose_answer_was_lost_is_taken_back_with_the_next(
    own_valkey: ValkeyServer,
) -> None:
    granted = grant(day_notional=usdt("400"))
    falls_silent: list[bool] = []

    def now() -> int:
        # The time is asked for between the reading of a budget and its writing.
        if falls_silent:
            own_valkey.pause()
        return 1_000_000

    async with (
        desk_of(own_valkey.url, patiently=False, now=now) as desk,
        desk_of(own_valkey.url) as another,
    ):
        await desk.reserve("p1", granted)
        falls_silent.append(True)
        with pytest.raises(NotRecorded):
            await desk.reserve("p2", granted)
        falls_silent.clear()
        own_valkey.resume()
        while await another.claims() != {"p1", "p2"}:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)
        await desk.reserve("p3", granted)
        assert await another.claims() == {"p1", "p3"}
