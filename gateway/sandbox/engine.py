"""The matching engine: orders of accounts in price-time priority. Pure: no I/O, no clock.

Each operation takes the time it happens at, changes books, balances and tapes, and leaves events
to be taken. A refused operation changes nothing.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from gateway.sandbox.book import Book, Stops
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.events import (
    BookChanged,
    Event,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Side,
    StopType,
    Trade,
)
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.markets import Market
from gateway.sandbox.matching import Meeting, affordable, meetings
from gateway.sandbox.order_requests import (
    FastBuy,
    ImmediateOrder,
    LimitOrder,
    MarketOrder,
    OrderRequest,
    StopLimitOrder,
)
from gateway.sandbox.rules import NOT_AVAILABLE, check_immediate, check_priced, check_total
from gateway.sandbox.tape import Tape

KEPT_USER_TRADES = 1000


class Engine:
    """All markets with their books, stops and tapes, over one ledger."""

    def __init__(
        self, markets: Mapping[str, Market], ledger: Ledger, new_order_id: Callable[[], str]
    ) -> None:
        self.markets = markets
        self.ledger = ledger
        self.books = {symbol: Book() for symbol in markets}
        self.stops = {symbol: Stops() for symbol in markets}
        self.tapes = {symbol: Tape(market.opening_price) for symbol, market in markets.items()}
        self._new_order_id = new_order_id
        self._open_orders: dict[str, dict[str, Order]] = {}
        self._user_trades: dict[str, deque[Trade]] = {}
        self._events: list[Event] = []

    def market(self, symbol: str) -> Market:
        """Look a market up. Raises Refusal 10037."""
        try:
            return self.markets[symbol]
        except KeyError:
            raise Refusal(Code.INVALID_SYMBOL) from None

    def open_orders(self, account_id: str) -> list[Order]:
        """The account's open orders, stops that wait among them, oldest first."""
        return list(self._open_orders.get(account_id, {}).values())

    def user_trades(self, account_id: str) -> list[Trade]:
        """The account's last trades, newest first."""
        return list(self._user_trades.get(account_id, ()))

    def take_events(self) -> list[Event]:
        """All that happened since the last call, in order; balances last."""
        events: list[Event] = [*self._events, *self.ledger.take_changes()]
        self._events.clear()
        return events

    def place(self, account_id: str, request: OrderRequest, now: int) -> Order:
        """Take an order of any type ("New Limit Buy Order" to "New Fast Sell Order").

        Returns the order as its own matching left it; stops that its trades set off come after.
        What a market or fast order does not find in the book is dropped: it is returned as
        PARTIALLY_FILLED, and is CANCELLED then. Raises Refusal: 10037, the codes of ``rules``,
        10042 or 10060 where nobody stands on the other side, 10041, 10039, 10031, in this order.
        An account must have the funds for all that it asks for, not only for what there is.
        """
        market = self.market(request.symbol)
        match request:
            case LimitOrder():
                return self._place_limit(market, account_id, request, now)
            case StopLimitOrder():
                return self._place_stop(market, account_id, request, now)
            case _:
                return self._place_immediate(market, account_id, request, now)

    def cancel(self, account_id: str, order_id: str) -> Order:
        """Take an open order out ("Cancel An Active Order"). Raises Refusal 10075, 10038."""
        order = self._open_orders.get(account_id, {}).get(order_id)
        if order is None:
            raise Refusal(Code.ORDER_NOT_FOUND)
        if not self.markets[order.symbol].cancel_enabled:
            raise Refusal(Code.MARKET_DISABLED)
        return self._take_out(order, OrderStatus.CANCELLED)

    def cancel_all(self, account_id: str, symbol: str) -> list[Order]:
        """Take all of an account's orders out of a market, as the exchange itself may.

        All become CANCELLED_ALL, and one of them is streamed. Raises Refusal 10037.
        """
        self.market(symbol)
        orders = [order for order in self.open_orders(account_id) if order.symbol == symbol]
        return [
            self._take_out(order, OrderStatus.CANCELLED_ALL, streamed=not position)
            for position, order in enumerate(orders)
        ]

    def _place_limit(self, market: Market, account_id: str, request: LimitOrder, now: int) -> Order:
        check_priced(market, request, self.tapes[market.symbol].last)
        opposite = self.books[market.symbol].side(request.side.opposite)
        met = meetings(opposite.until(request.price), request.quantity)
        _check_wash(account_id, met)
        self.ledger.hold(account_id, *_cost(market, request.side, request.price, request.quantity))
        order = Order(
            order_id=self._new_order_id(),
            account_id=account_id,
            symbol=market.symbol,
            type=request.type,
            side=request.side,
            price=request.price,
            quantity=request.quantity,
            time=now,
        )
        self._record(order)
        return self._enter(market, order, met, now)

    def _place_stop(
        self, market: Market, account_id: str, request: StopLimitOrder, now: int
    ) -> Order:
        last = self.tapes[market.symbol].last
        check_priced(market, request, last)
        self.ledger.hold(account_id, *_cost(market, request.side, request.price, request.quantity))
        order = Order(
            order_id=self._new_order_id(),
            account_id=account_id,
            symbol=market.symbol,
            type=request.type,
            side=request.side,
            price=request.price,
            target=request.target,
            stop_type=StopType.GREATER if request.target > last else StopType.LESS,
            quantity=request.quantity,
            time=now,
        )
        self.stops[market.symbol].put(order)
        self._record(order)
        return order

    def _place_immediate(
        self, market: Market, account_id: str, request: ImmediateOrder, now: int
    ) -> Order:
        check_immediate(market, request)
        quantity, met = self._meetings_at_market(market, request)
        _check_wash(account_id, met)
        spent = sum((one.total for one in met), Decimal(0))
        if not isinstance(request, FastBuy):
            check_total(market, spent)
        found = sum((one.quantity for one in met), Decimal(0))
        self.ledger.require(account_id, *_asked(market, request, met))
        buys = request.side is Side.BUY
        self.ledger.hold(account_id, *((market.quote, spent) if buys else (market.base, found)))
        order = Order(
            order_id=self._new_order_id(),
            account_id=account_id,
            symbol=market.symbol,
            type=request.type,
            side=request.side,
            quantity=quantity,
            total=request.total if isinstance(request, FastBuy) else Decimal(0),
            time=now,
        )
        self._record(order)
        return self._enter(market, order, met, now)

    def _meetings_at_market(
        self, market: Market, request: ImmediateOrder
    ) -> tuple[Decimal, list[Meeting]]:
        """The quantity wanted, and what there is of it. Raises Refusal 10042 or 10060; 10040."""
        opposite = self.books[market.symbol].side(request.side.opposite)
        if opposite.best() is None:
            raise Refusal(NOT_AVAILABLE[request.type])
        if isinstance(request, FastBuy):
            quantity = affordable(opposite, request.total, market.quantity_step)
            if quantity < market.min_quantity:
                raise Refusal(Code.QUANTITY_UNDER_LIMIT)
        else:
            quantity = request.quantity
        return quantity, meetings(opposite, quantity)

    def _enter(self, market: Market, order: Order, met: list[Meeting], now: int) -> Order:
        """Let an accepted order trade and its rest stand or go; then the stops that it reached.

        Each stop is reached once, so that however many set each other off, they come to an end.
        """
        order = self._trade(market, order, met, now)
        self._settle_rest(order)
        reached = deque(self._take_reached(market, met))
        while reached:
            reached.extend(self._enter_stop(market, reached.popleft(), now))
        self._events.append(BookChanged(market.symbol))
        return order

    def _enter_stop(self, market: Market, stop: Order, now: int) -> list[Order]:
        """Make a reached stop a limit order, and return the stops that its trades reach.

        One that would meet an order of its own account is cancelled instead.
        """
        opposite = self.books[market.symbol].side(stop.side.opposite)
        met = meetings(opposite.until(stop.price), stop.quantity)
        if _washes(stop.account_id, met):
            self._give_back(stop)
            self._record(replace(stop, status=OrderStatus.CANCELLED))
            return []
        self._settle_rest(self._trade(market, stop, met, now))
        return self._take_reached(market, met)

    def _take_reached(self, market: Market, met: list[Meeting]) -> list[Order]:
        """Take out the stops that these trades reached, trade by trade."""
        stops = self.stops[market.symbol]
        return [stop for one in met for stop in stops.take_reached(one.maker.price)]

    def _settle_rest(self, order: Order) -> None:
        """Let what was not filled rest in the book; without a price it cannot, and is dropped."""
        if not order.remaining:
            return
        if order.price:
            self.books[order.symbol].side(order.side).put(order)
        else:
            self._record(replace(order, status=OrderStatus.CANCELLED))

    def _trade(self, market: Market, taker: Order, met: list[Meeting], now: int) -> Order:
        resting = self.books[market.symbol].side(taker.side.opposite)
        for one in met:
            maker = _fill(one.maker, one)
            taker = _fill(taker, one)
            if maker.remaining:
                resting.put(maker)
            else:
                resting.remove(maker)
            self._record(maker)
            self._record(taker)
            self._settle(market, maker, taker, one, now)
        return taker

    def _settle(self, market: Market, maker: Order, taker: Order, met: Meeting, now: int) -> None:
        """Move what was traded between the two accounts and print it."""
        buys = taker.side is Side.BUY
        buyer, seller = (taker, maker) if buys else (maker, taker)
        taker_rate, maker_rate = market.taker_fee_percent / 100, market.maker_fee_percent / 100
        buyer_rate, seller_rate = (taker_rate, maker_rate) if buys else (maker_rate, taker_rate)
        trade = Trade(
            symbol=market.symbol,
            price=maker.price,
            quantity=met.quantity,
            time=now,
            maker=maker,
            taker=taker,
            buyer_fee=met.quantity * buyer_rate,
            seller_fee=met.total * seller_rate,
        )
        pay = self.ledger.pay
        pay(seller.account_id, buyer.account_id, market.base, met.quantity, trade.buyer_fee)
        pay(buyer.account_id, seller.account_id, market.quote, met.total, trade.seller_fee)
        if buyer.price > maker.price:
            saved = (buyer.price - maker.price) * met.quantity
            self.ledger.release(buyer.account_id, market.quote, saved)
        self.tapes[market.symbol].print(trade)
        for account_id in (maker.account_id, taker.account_id):
            trades = self._user_trades.setdefault(account_id, deque(maxlen=KEPT_USER_TRADES))
            trades.appendleft(trade)
        self._events.append(trade)

    def _take_out(self, order: Order, status: OrderStatus, *, streamed: bool = True) -> Order:
        stops = self.stops[order.symbol]
        if order.type is OrderType.STOP_LIMIT and order in stops:
            stops.remove(order)
        else:
            self.books[order.symbol].side(order.side).remove(order)
            self._events.append(BookChanged(order.symbol))
        self._give_back(order)
        gone = replace(order, status=status)
        self._record(gone, streamed=streamed)
        return gone

    def _give_back(self, order: Order) -> None:
        market = self.markets[order.symbol]
        held = _cost(market, order.side, order.price, order.remaining)
        self.ledger.release(order.account_id, *held)

    def _record(self, order: Order, *, streamed: bool = True) -> None:
        """Keep the order's new state among the open ones, or drop it when it is closed."""
        orders = self._open_orders.setdefault(order.account_id, {})
        if order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
            orders[order.order_id] = order
        else:
            orders.pop(order.order_id, None)
        self._events.append(OrderChanged(order, streamed))


def _check_wash(account_id: str, met: list[Meeting]) -> None:
    """Refuse as a whole what would, on its way through the book, meet an order of its own."""
    if _washes(account_id, met):
        raise Refusal(Code.WASH_TRADING)


def _washes(account_id: str, met: list[Meeting]) -> bool:
    return any(one.maker.account_id == account_id for one in met)


def _asked(market: Market, request: ImmediateOrder, met: list[Meeting]) -> tuple[str, Decimal]:
    """The asset and quantity that an account must have for all that it asks for.

    What a market buy would not find in the book counts at the last price that it would meet.
    """
    match request:
        case FastBuy():
            return market.quote, request.total
        case MarketOrder(side=Side.BUY):
            missing = request.quantity - sum(one.quantity for one in met)
            spent = sum(one.total for one in met)
            return market.quote, spent + missing * met[-1].maker.price
        case _:
            return market.base, request.quantity


def _cost(market: Market, side: Side, price: Decimal, quantity: Decimal) -> tuple[str, Decimal]:
    """The asset and quantity that an order binds."""
    return (market.quote, price * quantity) if side is Side.BUY else (market.base, quantity)


def _fill(order: Order, met: Meeting) -> Order:
    filled = order.filled + met.quantity
    done = filled == order.quantity
    return replace(
        order,
        filled=filled,
        filled_total=order.filled_total + met.total,
        status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
    )
