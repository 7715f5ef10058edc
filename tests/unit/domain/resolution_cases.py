"""One order that is being looked for, and what may be seen of it; times in ms after SIGNED."""

from dataclasses import replace
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.market import Market, OrderSide
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType, PlaceOrder
from gateway.domain.placements import Baseline, OpenOrder, Placement, PlacementState
from gateway.domain.resolution import Case, Picture, Terms, Verdict, verdicts

S = PlacementState
SIGNED = 1_600_000_000_000
TERMS = Terms(guard=5_000, spacing=1_000, within=30_000, late_watch=600_000, fenced=True)
WINDOW = 5_000
AFTER = WINDOW + TERMS.guard + 1
"""The first moment at which the exchange executes it no more."""
TOO_LONG = WINDOW + TERMS.guard + TERMS.within + 1
LIMIT = OrderSpec(price=Decimal(100), quantity=Decimal(10))
MARKET = OrderSpec(type=OrderType.MARKET, quantity=Decimal(10))
FAST = OrderSpec(type=OrderType.FAST, quote_total=Decimal(1000))
BTC, USDT = Decimal(5), Decimal(50_000)
OLD = Fill(
    symbol="BTCUSDT",
    price=Decimal(90),
    quantity=Decimal(1),
    side=OrderSide.BUY,
    type=OrderType.LIMIT,
    fee=Decimal("0.002"),
    fee_asset="BTC",
    time=SIGNED - 60_000,
)


def baseline(*, at: int = -10, orders: tuple[OpenOrder, ...] = ()) -> Baseline:
    return Baseline(
        taken_at=SIGNED + at,
        stream_since=None,
        orders=orders,
        fills=(OLD,),
        totals={"BTC": BTC, "USDT": USDT},
    )


def intent(spec: OrderSpec = LIMIT, *, id_: str = "p1", state: S = S.UNKNOWN) -> Placement:
    return Placement(
        id=id_,
        principal="app",
        command=PlaceOrder("main", f"client-{id_}", "BTCUSDT", OrderSide.BUY, spec),
        state=state,
        created_at=SIGNED,
        updated_at=SIGNED,
        rule="trade",
        signed_at=SIGNED,
        window=WINDOW,
        digest="",
        lease_until=SIGNED + 15_000,
        baseline=baseline(),
    )


def order(
    id_: str | None = "o1",
    spec: OrderSpec = LIMIT,
    *,
    at: int = 50,
    status: OrderStatus = OrderStatus.NEW,
    filled: int = 0,
) -> Order:
    return Order(
        order_id=id_,
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        type=spec.type,
        status=status,
        time=SIGNED + at,
        price=spec.price,
        quantity=spec.quantity,
        stop_price=spec.stop_price,
        filled_quantity=Decimal(filled),
    )


def fill(
    quantity: int | str, *, price: int = 100, at: int = 50, type_: OrderType = OrderType.LIMIT
) -> Fill:
    return replace(
        OLD,
        price=Decimal(price),
        quantity=Decimal(quantity),
        type=type_,
        fee=Decimal(0),
        time=SIGNED + at,
    )


def picture(
    at: int,
    *,
    orders: tuple[Order, ...] = (),
    ended: tuple[Order, ...] = (),
    new: tuple[Fill, ...] = (),
    whole: bool = True,
) -> Picture:
    """A reading with these fills besides the one before the order; the balances agree with it."""
    bought = sum((each.quantity for each in new), Decimal(0))
    paid = sum((each.quantity * each.price for each in new), Decimal(0))
    return Picture(
        read_at=SIGNED + at,
        orders=orders,
        fills=(*new, OLD),
        totals={"BTC": BTC + bought, "USDT": USDT - paid},
        ended=ended,
        stream_since=SIGNED - 60_000 if whole else None,
    )


def case(*placements: Placement, now: int | None = None, pictures: tuple[Picture, ...]) -> Case:
    """What is known when the last picture has just been taken, unless `now` says otherwise."""
    last = pictures[-1].read_at - SIGNED if pictures else 0
    groups = {
        state: tuple(each for each in placements if each.state is state) for state in PlacementState
    }
    return Case(
        now=SIGNED + (last if now is None else now),
        unresolved=(*groups[S.UNKNOWN], *groups[S.IN_DOUBT]),
        sending=groups[S.SENDING],
        given_up=groups[S.NOT_PLACED],
        accepted=groups[S.ACCEPTED],
        markets={"BTCUSDT": Market("BTCUSDT", "Bitcoin", "BTC", "USDT")},
        quantity_steps={"BTCUSDT": Decimal("0.01")},
        pictures=pictures,
    )


def only(known: Case, terms: Terms = TERMS) -> Verdict | None:
    """The one verdict, if there is one."""
    found = verdicts(known, terms)
    assert len(found) <= 1
    return found[0] if found else None


def state_of(known: Case, terms: Terms = TERMS) -> PlacementState | None:
    verdict = only(known, terms)
    return None if verdict is None else verdict.state
