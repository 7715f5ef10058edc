from decimal import Decimal

from gateway.sandbox.book import Book, Level, Stops
from gateway.sandbox.events import Order, OrderType, Side, StopType


def resting(order_id: str, price: int, side: Side = Side.SELL, quantity: int = 1) -> Order:
    return Order(
        order_id=order_id,
        account_id="ann",
        symbol="BTCUSDT",
        type=OrderType.LIMIT,
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        time=0,
    )


def waiting(order_id: str, target: int, stop_type: StopType) -> Order:
    return Order(
        order_id=order_id,
        account_id="ann",
        symbol="BTCUSDT",
        type=OrderType.STOP_LIMIT,
        side=Side.BUY,
        price=Decimal(1),
        target=Decimal(target),
        stop_type=stop_type,
        quantity=Decimal(1),
        time=0,
    )


def ids(orders: list[Order]) -> str:
    return "".join(order.order_id for order in orders)


def test_the_highest_bid_and_the_lowest_ask_come_first_and_at_one_price_the_oldest() -> None:
    book = Book()
    for order_id, price in (("a", 2), ("b", 1), ("c", 2), ("d", 3)):
        book.bids.put(resting(order_id, price, Side.BUY))
        book.asks.put(resting(order_id, price))
    assert ids(list(book.bids)) == "dacb"
    assert ids(list(book.asks)) == "bacd"


def test_a_new_state_of_an_order_keeps_its_place() -> None:
    asks = Book().asks
    asks.put(resting("a", 1, quantity=5))
    asks.put(resting("b", 1))
    asks.put(resting("a", 1, quantity=3))
    assert ids(list(asks)) == "ab"
    assert asks.best() == Level(Decimal(1), Decimal(4), 2)


def test_a_price_is_gone_with_its_last_order() -> None:
    asks = Book().asks
    asks.put(resting("a", 1))
    asks.put(resting("b", 2))
    asks.remove(resting("a", 1))
    assert asks.levels(9) == [Level(Decimal(2), Decimal(1), 1)]


def test_an_order_meets_those_up_to_its_price() -> None:
    book = Book()
    for order_id, price in (("a", 1), ("b", 2), ("c", 3)):
        book.bids.put(resting(order_id, price, Side.BUY))
        book.asks.put(resting(order_id, price))
    assert ids(list(book.asks.until(Decimal(2)))) == "ab"
    assert ids(list(book.bids.until(Decimal(2)))) == "cb"


def test_a_price_takes_out_the_stops_at_and_before_it_the_nearest_first() -> None:
    stops = Stops()
    for order_id, target in (("a", 12), ("b", 11), ("c", 13), ("d", 12)):
        stops.put(waiting(order_id, target, StopType.GREATER))
    for order_id, target in (("e", 8), ("f", 9)):
        stops.put(waiting(order_id, target, StopType.LESS))
    assert ids(stops.take_reached(Decimal(10))) == ""
    assert ids(stops.take_reached(Decimal(12))) == "bad"
    assert ids(stops.take_reached(Decimal(8))) == "fe"
    assert ids(list(stops)) == "c"


def test_a_stop_that_was_taken_out_is_not_there() -> None:
    stops = Stops()
    order = waiting("a", 12, StopType.GREATER)
    stops.put(order)
    assert order in stops
    stops.remove(order)
    assert order not in stops
    assert stops.take_reached(Decimal(12)) == []
