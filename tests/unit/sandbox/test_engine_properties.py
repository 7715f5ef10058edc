"""What holds of the engine whatever several accounts do."""

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox import Account
from gateway.sandbox.codes import Refusal
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Order, OrderChanged, OrderStatus, Side, Trade
from tests.unit.sandbox.clients import build_engine, place

ASSETS = {"USDT": Decimal(30_000), "BTC": Decimal(1)}
NAMES = ("ann", "bob", "cem")


@dataclass(frozen=True)
class Placing:
    account_id: str
    side: Side
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class Cancelling:
    """Cancels the account's open order at this position, if it has that many."""

    account_id: str
    position: int


accounts = st.sampled_from(NAMES)
# Few prices, so that orders meet; odd quantities, so that they fill in parts.
placings = st.builds(
    Placing,
    account_id=accounts,
    side=st.sampled_from(Side),
    price=st.integers(5_390_000, 5_390_008).map(lambda cents: Decimal(cents) / 100),
    quantity=st.integers(200, 300_000).map(lambda millionths: Decimal(millionths) / 1_000_000),
)
cancellings = st.builds(Cancelling, accounts, st.integers(0, 5))
moves = st.lists(st.one_of(placings, placings, placings, cancellings), max_size=40)


def perform(engine: Engine, move: Placing | Cancelling) -> None:
    with suppress(Refusal):
        if isinstance(move, Placing):
            place(engine, move.account_id, move.side, str(move.price), str(move.quantity))
        else:
            for order in engine.open_orders(move.account_id)[move.position : move.position + 1]:
                engine.cancel(move.account_id, order.order_id)


def check_conservation(engine: Engine) -> None:
    for asset, quantity in ASSETS.items():
        total = sum(engine.ledger.balance(name, asset).total for name in NAMES)
        assert total + engine.ledger.fees.get(asset, 0) == quantity * len(NAMES)


def check_held(engine: Engine) -> None:
    for name in NAMES:
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for order in engine.open_orders(name):
            if order.side is Side.BUY:
                held["USDT"] += order.price * order.remaining
            else:
                held["BTC"] += order.remaining
        for asset in ASSETS:
            balance = engine.ledger.balance(name, asset)
            assert balance.held == held[asset]
            assert balance.available >= 0


def check_book(engine: Engine) -> None:
    book = engine.books["BTCUSDT"]
    bid, ask = book.bids.best(), book.asks.best()
    assert bid is None or ask is None or bid.price < ask.price
    resting = {order.order_id for side in (book.bids, book.asks) for order in side}
    assert resting == {order.order_id for name in NAMES for order in engine.open_orders(name)}


def check_priority(resting: dict[str, Order], trade: Trade) -> None:
    """No order of the maker's side had a better price, or the same one and an older place."""
    sign = 1 if trade.maker.side is Side.SELL else -1
    ranks = {
        order.order_id: (order.price * sign, int(order.order_id))
        for order in resting.values()
        if order.side is trade.maker.side
    }
    assert min(ranks, key=lambda order_id: ranks[order_id]) == trade.maker.order_id


def check_events(engine: Engine, resting: dict[str, Order]) -> None:
    """Follow the events alone, as a subscriber does, and check each trade on the way."""
    taker_id = None
    for event in engine.take_events():
        if isinstance(event, Trade):
            taker_id = event.taker.order_id
            others = {key: order for key, order in resting.items() if key != taker_id}
            others[event.maker.order_id] = event.maker
            check_priority(others, event)
            assert event.maker.account_id != event.taker.account_id
            if not event.maker.remaining:
                del resting[event.maker.order_id]
        elif isinstance(event, OrderChanged):
            order = event.order
            known = resting.get(order.order_id)
            assert known is None or known.filled <= order.filled
            resting[order.order_id] = order
            if order.status is OrderStatus.CANCELLED:
                del resting[order.order_id]
    if taker_id in resting and not resting[taker_id].remaining:
        del resting[taker_id]


@settings(max_examples=150)
@given(moves)
def test_nothing_is_made_or_lost_and_books_stay_in_order(
    chosen: list[Placing | Cancelling],
) -> None:
    engine = build_engine(*(Account(name, (), ASSETS) for name in NAMES))
    resting: dict[str, Order] = {}
    for move in chosen:
        perform(engine, move)
        check_events(engine, resting)
        check_conservation(engine)
        check_held(engine)
        check_book(engine)
    rested = {order.order_id: order for name in NAMES for order in engine.open_orders(name)}
    assert resting == rested
