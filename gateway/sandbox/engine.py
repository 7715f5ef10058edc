"""The matching engine: limit orders of accounts in price-time priority. Pure: no I/O, no clock.

Each operation takes the time it happens at, changes books, balances and tapes, and leaves events
to be taken. A refused operation changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from gateway.sandbox.book import Book
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.events import BookChanged, Event, Order, OrderChanged, OrderStatus, Side, Trade
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.markets import (
    MAX_SELL_OF_LAST,
    MIN_BUY_OF_LAST,
    Market,
)
from gateway.sandbox.tape import Tape


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """What an account asks for. ``price`` is in the quote asset, ``quantity`` in the base asset."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal


class Engine:
    """All markets with their books and tapes, over one ledger."""

    def __init__(
        self, markets: Mapping[str, Market], ledger: Ledger, new_order_id: Callable[[], str]
    ) -> None:
        self.markets = markets
        self.ledger = ledger
        self.books = {symbol: Book() for symbol in markets}
        self.tapes = {symbol: Tape(market.opening_price) for symbol, market in markets.items()}
        self._new_order_id = new_order_id
        self._open_orders: dict[str, dict[str, Order]] = {}
        self._events: list[Event] = []

    def market(self, symbol: str) -> Market:
        """Look a market up. Raises Refusal 10037."""
        try:
            return self.markets[symbol]
        except KeyError:
            raise Refusal(Code.INVALID_SYMBOL) from None

    def open_orders(self, account_id: str) -> list[Order]:
        """The account's open orders, oldest first."""
        return list(self._open_orders.get(account_id, {}).values())

    def take_events(self) -> list[Event]:
        """All that happened since the last call, in order; balances last."""
        events: list[Event] = [*self._events, *self.ledger.take_changes()]
        self._events.clear()
        return events

    def place_limit(self, account_id: str, request: LimitOrder, now: int) -> Order:
        """Match an order and let the rest stand ("New Limit Buy Order", "New Limit Sell Order").

        Returns the order as it is after matching. Raises Refusal 10031, 10037 to 10041, 10061,
        10062, 20007, 20009.
        """
        market = self.market(request.symbol)
        _check_rules(market, request, self.tapes[market.symbol].last)
        self._check_own_orders(account_id, request)
        self.ledger.hold(account_id, *_hold(market, request.side, request.price, request.quantity))
        order = Order(
            order_id=self._new_order_id(),
            account_id=account_id,
            symbol=request.symbol,
            side=request.side,
            price=request.price,
            quantity=request.quantity,
            time=now,
        )
        self._record(order)
        order = self._match(market, order, now)
        if order.remaining:
            self.books[market.symbol].side(order.side).put(order)
        self._events.append(BookChanged(market.symbol))
        return order

    def cancel(self, account_id: str, order_id: str) -> Order:
        """Take an open order out ("Cancel An Active Order"). Raises Refusal 10075."""
        order = self._open_orders.get(account_id, {}).get(order_id)
        if order is None:
            raise Refusal(Code.ORDER_NOT_FOUND)
        market = self.markets[order.symbol]
        self.books[order.symbol].side(order.side).remove(order)
        hold = _hold(market, order.side, order.price, order.remaining)
        self.ledger.release(account_id, *hold)
        cancelled = replace(order, status=OrderStatus.CANCELLED)
        self._record(cancelled)
        self._events.append(BookChanged(order.symbol))
        return cancelled

    def _check_own_orders(self, account_id: str, request: LimitOrder) -> None:
        """Refuse as a whole what would, on its way through the book, meet an order of its own."""
        wanted = request.quantity
        for resting in (
            self.books[request.symbol].side(request.side.opposite).crossing(request.price)
        ):
            if wanted <= 0:
                return
            if resting.account_id == account_id:
                raise Refusal(Code.WASH_TRADING)
            wanted -= resting.remaining

    def _match(self, market: Market, taker: Order, now: int) -> Order:
        opposite = self.books[market.symbol].side(taker.side.opposite)
        while taker.remaining:
            maker = next(opposite.crossing(taker.price), None)
            if maker is None:
                break
            quantity = min(maker.remaining, taker.remaining)
            maker, taker = _fill(maker, quantity), _fill(taker, quantity)
            if maker.remaining:
                opposite.put(maker)
            else:
                opposite.remove(maker)
            self._record(maker)
            self._record(taker)
            self._settle(market, maker, taker, quantity, now)
        return taker

    def _settle(
        self, market: Market, maker: Order, taker: Order, quantity: Decimal, now: int
    ) -> None:
        buyer, seller = (maker, taker) if maker.side is Side.BUY else (taker, maker)
        total = maker.price * quantity
        maker_rate, taker_rate = market.maker_fee_percent / 100, market.taker_fee_percent / 100
        buyer_rate, seller_rate = (
            (maker_rate, taker_rate) if maker is buyer else (taker_rate, maker_rate)
        )
        buyer_fee, seller_fee = quantity * buyer_rate, total * seller_rate
        ledger = self.ledger
        ledger.pay(seller.account_id, buyer.account_id, market.base, quantity, buyer_fee)
        ledger.pay(buyer.account_id, seller.account_id, market.quote, total, seller_fee)
        saved = (buyer.price - maker.price) * quantity
        ledger.release(buyer.account_id, market.quote, saved)
        trade = Trade(
            symbol=market.symbol,
            price=maker.price,
            quantity=quantity,
            time=now,
            maker=maker,
            taker=taker,
            buyer_fee=buyer_fee,
            seller_fee=seller_fee,
        )
        self.tapes[market.symbol].print(trade)
        self._events.append(trade)

    def _record(self, order: Order) -> None:
        """Keep the order's new state among the open ones, or drop it when it is closed."""
        orders = self._open_orders.setdefault(order.account_id, {})
        if order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
            orders[order.order_id] = order
        else:
            orders.pop(order.order_id, None)
        self._events.append(OrderChanged(order))


def _check_rules(market: Market, request: LimitOrder, last: Decimal) -> None:
    if not (market.enabled and market.order_enabled):
        raise Refusal(Code.MARKET_DISABLED)
    if request.price <= 0 or request.price % market.tick:
        raise Refusal(Code.INVALID_PRICE)
    if request.quantity <= 0:
        raise Refusal(Code.INVALID_QUANTITY)
    if request.quantity < market.min_quantity:
        raise Refusal(Code.QUANTITY_UNDER_LIMIT)
    if request.quantity % market.quantity_step:
        raise Refusal(Code.INVALID_QUANTITY)
    if request.price * request.quantity < market.min_total:
        raise Refusal(Code.TOTAL_UNDER_LIMIT)
    if request.side is Side.SELL and request.price > last * MAX_SELL_OF_LAST:
        raise Refusal(Code.SELL_PRICE_TOO_HIGH)
    if request.side is Side.BUY and request.price < last * MIN_BUY_OF_LAST:
        raise Refusal(Code.BUY_PRICE_TOO_LOW)


def _hold(market: Market, side: Side, price: Decimal, quantity: Decimal) -> tuple[str, Decimal]:
    """The asset and quantity that an order binds."""
    return (market.quote, price * quantity) if side is Side.BUY else (market.base, quantity)


def _fill(order: Order, quantity: Decimal) -> Order:
    filled = order.filled + quantity
    done = filled == order.quantity
    status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
    return replace(order, filled=filled, status=status)
