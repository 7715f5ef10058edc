"""What holds whatever several accounts do, with orders of every type, deposits and withdrawals."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, Inexact, localcontext
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.sandbox import Account
from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.endpoints import PublicEndpoint
from gateway.sandbox.events import Event, Order, OrderChanged, OrderStatus, Side, Trade
from gateway.sandbox.exact import DIGITS
from gateway.sandbox.exchange import ENDPOINTS, Exchange
from gateway.sandbox.hub import StreamHub
from gateway.sandbox.order_requests import (
    FastBuy,
    FastSell,
    LimitOrder,
    MarketOrder,
    OrderRequest,
    StopLimitOrder,
)
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.replies import encode
from gateway.sandbox.stream_protocol import Topic
from gateway.sandbox.tape import MINUTE_MS
from tests.unit.sandbox.clients import NOW, Json, build_engine, build_venue, exact_json
from tests.unit.sandbox.naive_market import NaiveMarket, Print, Row
from tests.unit.sandbox.stream_view import UNTOLD, StreamView
from tests.unit.sandbox.worlds import EXTREME, PLAIN, SYMBOL

NAMES = ("ann", "bob", "cem")
TOPICS = [
    *(Topic(type_, SYMBOL) for type_ in ("ticker", "depth", "orderBook", "trade")),
    Topic("candles", SYMBOL, "m1"),
]

names = st.sampled_from(NAMES)
sides = st.sampled_from(Side)
assets = st.sampled_from(("USDT", "BTC"))
# Few prices, so that orders meet; odd quantities, so that they fill in parts.
ticks = st.integers(0, 8)
lots = st.integers(200, 300_000)


@pytest.fixture(autouse=True)
def exact_arithmetic() -> Iterator[None]:
    with localcontext(prec=DIGITS):
        yield


@contextmanager
def unrounded() -> Iterator[None]:
    """Arithmetic that raises `Inexact` rather than round."""
    with localcontext() as context:
        context.traps[Inexact] = True
        yield


class Trading(RuleBasedStateMachine):
    """Does the same to the sandbox's engine and to a naive market, and follows the streams."""

    world = PLAIN

    def __init__(self) -> None:
        super().__init__()
        accounts = [Account(name, (), self.world.start) for name in NAMES]
        self.engine = build_engine(*accounts, markets={SYMBOL: self.world.market})
        self.naive = NaiveMarket(last=self.world.market.opening_price)
        self.now = NOW
        self.venue = build_venue(self.engine, lambda: self.now)
        self.moved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.hub = StreamHub(Exchange(self.venue, Authenticator([])), queue_size=10_000)
        self.listeners = {name: self.hub.join("127.0.0.1") for name in NAMES}
        for name, listener in self.listeners.items():
            listener.protocol.account_id = name
        self.listeners["ann"].protocol.topics.update(dict.fromkeys(TOPICS))
        self.views = {
            name: StreamView(self.ask("GET", "balance/wallet", name)["wallet"]) for name in NAMES
        }

    @rule(name=names, side=sides, price=ticks, quantity=lots)
    def limit(self, name: str, side: Side, price: int, quantity: int) -> None:
        terms = self.world.price(price), self.world.quantity(quantity)
        self.place(name, LimitOrder(SYMBOL, side, *terms))

    @rule(name=names, side=sides, reached=ticks, price=ticks, quantity=lots)
    def stop(self, name: str, side: Side, reached: int, price: int, quantity: int) -> None:
        levels = self.world.price(reached), self.world.price(price)
        self.place(name, StopLimitOrder(SYMBOL, side, *levels, self.world.quantity(quantity)))

    @rule(name=names, side=sides, quantity=lots)
    def market(self, name: str, side: Side, quantity: int) -> None:
        self.place(name, MarketOrder(SYMBOL, side, self.world.quantity(quantity)))

    @rule(name=names, quantity=lots)
    def fast_sell(self, name: str, quantity: int) -> None:
        self.place(name, FastSell(SYMBOL, self.world.quantity(quantity)))

    @rule(name=names, worth=lots)
    def fast_buy(self, name: str, worth: int) -> None:
        self.place(name, FastBuy(SYMBOL, self.world.total(worth)))

    @rule(name=names, position=st.integers(0, 5))
    def cancel(self, name: str, position: int) -> None:
        for order in self.engine.open_orders(name)[position : position + 1]:
            with unrounded():
                self.engine.cancel(name, order.order_id)
            self.naive.cancel(order.order_id)
            self.compare(self.publish())

    @rule(name=names)
    def cancel_all(self, name: str) -> None:
        for order in self.engine.cancel_all(name, SYMBOL):
            self.naive.cancel(order.order_id)
        self.compare(self.publish())

    @rule(name=names, asset=assets, count=lots)
    def deposit(self, name: str, asset: str, count: int) -> None:
        quantity = self.world.quantity(count)
        self.engine.ledger.deposit(name, asset, quantity)
        self.moved[name, asset] += quantity
        self.publish()

    @rule(name=names, asset=assets, count=lots)
    def withdraw(self, name: str, asset: str, count: int) -> None:
        quantity = self.world.quantity(count)
        if quantity > self.engine.ledger.balance(name, asset).available:
            return
        self.engine.ledger.hold(name, asset, quantity)
        self.engine.ledger.withdraw(name, asset, quantity)
        self.moved[name, asset] -= quantity
        self.publish()

    @rule(minutes=st.integers(1, 1500))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE_MS
        self.hub.publish_tickers()
        self.publish()

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        ledger = self.engine.ledger
        for asset, quantity in self.world.start.items():
            with unrounded():
                total = sum(ledger.balance(name, asset).total for name in NAMES)
                out = ledger.fees.get(asset, 0) + ledger.withdrawn.get(asset, 0)
                assert total + out == quantity * len(NAMES) + ledger.deposited.get(asset, 0)

    @invariant()
    def what_is_held_is_what_open_orders_may_cost(self) -> None:
        for name in NAMES:
            held: defaultdict[str, Decimal] = defaultdict(Decimal)
            for order in self.engine.open_orders(name):
                if order.side is Side.BUY:
                    held["USDT"] += order.price * order.remaining
                else:
                    held["BTC"] += order.remaining
            for asset in self.world.start:
                balance = self.engine.ledger.balance(name, asset)
                assert balance.held == held[asset]
                assert balance.available >= 0

    @invariant()
    def the_book_is_not_crossed_and_in_the_order_of_the_naive_one(self) -> None:
        book = self.engine.books[SYMBOL]
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid.price < ask.price
        for side in Side:
            rows = self.naive.side(buys=side is Side.BUY)
            assert [(row.order_id, row.quantity) for row in rows] == [
                (order.order_id, order.remaining) for order in book.side(side)
            ]
        waiting = {order.order_id for order in self.engine.stops[SYMBOL]}
        assert waiting == {row.order_id for row in self.naive.waiting}

    @invariant()
    def what_an_account_traded_and_moved_is_what_its_balances_became(self) -> None:
        for name in NAMES:
            became = {
                asset: quantity + self.moved[name, asset]
                for asset, quantity in self.world.start.items()
            }
            for row in self.ask("GET", "market/user-trades", name)["trades"]:
                sign = 1 if row["side"] == Side.BUY else -1
                became["BTC"] += sign * row["amount"]
                became["USDT"] -= sign * row["amount"] * row["price"]
                became[row["commissionSymbol"]] -= row["commission"]
            for asset, quantity in became.items():
                assert self.engine.ledger.balance(name, asset).total == quantity

    @invariant()
    def the_streams_told_what_an_account_is_answered(self) -> None:
        for name, view in self.views.items():
            orders = self.ask("GET", "market/user-orders", name)["orders"]
            if view.reread:
                view.orders = {row["orderId"]: row for row in orders}
                view.reread = False
            assert list(view.orders.values()) == orders
            for row in self.ask("GET", "balance/wallet", name)["wallet"]:
                assert row["available"] == view.available[row["symbol"]]
                assert row["reserved"] == view.held[row["symbol"]]
                assert row["total"] == row["available"] + row["reserved"]

    @invariant()
    def the_streams_told_what_anybody_is_answered(self) -> None:
        view = self.views["ann"]
        assert self.ask("GET", "market/depth")["book"] == view.depth
        assert self.ask("GET", "market/orderbook")["book"] == view.top
        assert self.ask("GET", "market/trades")["trades"] == view.trades
        if view.ticker is not None:
            statistics = self.ask("GET", "market/24h")["market"]
            assert {name: statistics[name] for name in statistics if name not in UNTOLD} == (
                view.ticker
            )
        for interval, kline in view.candles.items():
            last = self.ask("GET", "market/candles", interval=interval)["candles"][-1]
            shared = last.keys() & kline.keys() - {"openTime"}
            assert len(shared) == 5
            assert {name: last[name] for name in shared} == {name: kline[name] for name in shared}

    def place(self, name: str, request: OrderRequest) -> None:
        """Place an order in both markets, or hold the engine's refusal against the naive one."""
        offered = {row.order_id for row in self.naive.side(buys=False)}
        try:
            with unrounded():
                order = self.engine.place(name, request, self.now)
        except Refusal as refusal:
            self.check_refusal(name, request, refusal.code)
            assert self.publish() == []
            return
        row = as_row(name, request, order.order_id, order.quantity)
        if isinstance(request, StopLimitOrder):
            self.naive.wait(row, request.target)
        else:
            assert not self.naive.washes(row)
            self.naive.place(row)
        self.compare(self.publish())
        self.check_spent(order, offered)

    def check_refusal(self, name: str, request: OrderRequest, code: Code) -> None:
        if isinstance(request, FastBuy):
            self.check_refused_fast_buy(name, request.total, code)
            return
        row = as_row(name, request, "refused", request.quantity)
        washes = not isinstance(request, StopLimitOrder) and self.naive.washes(row)
        met = self.naive.met(row)
        if code is Code.WASH_TRADING:
            assert washes
        elif code is Code.INSUFFICIENT_BALANCE:
            assert not washes
            asset, needed = ("USDT", self.naive.cost(row)) if row.buys else ("BTC", row.quantity)
            assert needed > self.engine.ledger.balance(name, asset).available
        elif code in (Code.MARKET_ORDER_NOT_AVAILABLE, Code.FAST_ORDER_NOT_AVAILABLE):
            assert met == []
        else:
            assert code is Code.TOTAL_UNDER_LIMIT
            assert (
                sum((found.price or 0) * quantity for found, quantity in met)
                < self.world.market.min_total
            )

    def check_refused_fast_buy(self, name: str, total: Decimal, code: Code) -> None:
        sellers = self.naive.sellers_within(total, self.world.market.quantity_step)
        if code is Code.FAST_ORDER_NOT_AVAILABLE:
            assert self.naive.side(buys=False) == []
        elif code is Code.WASH_TRADING:
            assert name in sellers
        else:
            assert code is Code.INSUFFICIENT_BALANCE
            assert name not in sellers
            assert total > self.engine.ledger.balance(name, "USDT").available

    def check_spent(self, order: Order, offered: set[str]) -> None:
        """A fast buy keeps within its total, and leaves a step only when it bought all offered."""
        if not order.total:
            return
        assert order.filled_total <= order.total
        if order.status is OrderStatus.FILLED:
            dearest = max(trade.price for trade in self.engine.user_trades(order.account_id))
            assert order.total - order.filled_total < dearest * self.world.market.quantity_step
        else:
            assert offered.isdisjoint(row.order_id for row in self.naive.side(buys=False))

    def publish(self) -> list[Event]:
        """Tell the listeners what happened, let them learn from it, and return it."""
        events = self.engine.take_events()
        self.hub.publish(events)
        for name, listener in self.listeners.items():
            while not listener.frames.empty():
                self.views[name].take(exact_json(listener.frames.get_nowait()))
        return events

    def compare(self, events: list[Event]) -> None:
        """The same orders met in the same turn, and the same stops were cancelled."""
        trades = [event for event in events if isinstance(event, Trade)]
        assert self.naive.prints == [
            Print(trade.maker.order_id, trade.taker.order_id, trade.price, trade.quantity)
            for trade in trades
        ]
        cancelled = [
            event.order.order_id
            for event in events
            if isinstance(event, OrderChanged)
            and event.order.status is OrderStatus.CANCELLED
            and event.order.target
        ]
        assert set(self.naive.cancelled) <= set(cancelled)
        for trade in trades:
            assert trade.maker.account_id != trade.taker.account_id
            self.check_fees(trade)
        self.naive.forget()

    def check_fees(self, trade: Trade) -> None:
        """Each pays from what it receives: the buyer the base asset, the seller the quote asset."""
        market = self.world.market
        percents = market.maker_fee_percent, market.taker_fee_percent
        seller, buyer = percents if trade.buyer_is_taker else percents[::-1]
        assert trade.buyer_fee == trade.quantity * buyer / 100
        assert trade.seller_fee == trade.price * trade.quantity * seller / 100

    def ask(self, method: str, path: str, name: str = "", **values: str) -> Json:
        """Ask an endpoint, for an account if it needs one."""
        endpoint = ENDPOINTS[method, f"v3/api/{path}"]
        parameters = Parameters({"symbol": SYMBOL, **values})
        if isinstance(endpoint, PublicEndpoint):
            return exact_json(encode(endpoint.answer(self.venue, parameters)))
        return exact_json(encode(endpoint.answer(self.venue, name, parameters)))


def as_row(name: str, request: OrderRequest, order_id: str, quantity: Decimal) -> Row:
    price = request.price if isinstance(request, LimitOrder | StopLimitOrder) else None
    return Row(order_id, name, buys=request.side is Side.BUY, price=price, quantity=quantity)


class ExtremeTrading(Trading):
    """The same in a market of the most decimals, with the largest balances."""

    world = EXTREME


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=100, stateful_step_count=40)
TestExtremeTrading = ExtremeTrading.TestCase
TestExtremeTrading.settings = settings(max_examples=50, stateful_step_count=40)


@pytest.mark.parametrize("machine", [Trading, ExtremeTrading])
@pytest.mark.parametrize("seed", range(4))
def test_it_holds_through_a_long_history_too(machine: type[Trading], seed: int) -> None:
    """Deep books and stops that set each other off, which short examples rarely reach."""
    trading, rng = machine(), Random(seed)
    for _ in range(400):
        random_move(trading, rng)
        trading.nothing_is_made_or_lost()
        trading.what_is_held_is_what_open_orders_may_cost()
        trading.the_book_is_not_crossed_and_in_the_order_of_the_naive_one()
        trading.the_streams_told_what_an_account_is_answered()
        trading.the_streams_told_what_anybody_is_answered()
    trading.what_an_account_traded_and_moved_is_what_its_balances_became()


def random_move(trading: Trading, rng: Random) -> None:
    name, side = rng.choice(NAMES), rng.choice(list(Side))
    quantity, asset = rng.randint(200, 20_000), rng.choice(["USDT", "BTC"])
    target, price = rng.randint(0, 12), rng.randint(0, 12)
    match rng.randrange(13):
        case 0 | 1 | 2 | 3:
            trading.limit(name, side, price, quantity)
        case 4 | 5 | 6:
            trading.stop(name, side, target, price, quantity)
        case 7:
            trading.market(name, side, quantity)
        case 8:
            trading.fast_buy(name, quantity)
        case 9:
            trading.cancel(name, 0)
        case 10:
            trading.deposit(name, asset, quantity)
        case 11:
            trading.withdraw(name, asset, quantity)
        case 12:
            trading.wait(rng.randint(1, 1500))
