from gateway.sandbox.engine import Engine
from gateway.sandbox.events import OrderStatus, Side
from gateway.sandbox.record import Received, Record
from tests.unit.sandbox.clients import place

PING = Received("GET", "v3/api/ping", {}, account=None, time=0)


def test_an_order_is_kept_as_it_was_last(engine: Engine) -> None:
    record = Record(["ann"], 10)
    order = place(engine, "ann", Side.BUY, "50000", "1")
    engine.cancel("ann", order.order_id)
    record.note_events(engine.take_events())
    assert [kept.status for kept in record.orders.values()] == [OrderStatus.CANCELLED]


def test_all_trades_are_kept_and_the_orders_of_clients(engine: Engine) -> None:
    sold = place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "bob", Side.BUY, "50000", "1")
    record = Record(["ann"], 10)
    record.note_events(engine.take_events())
    assert list(record.orders) == [sold.order_id]
    assert [trade.maker.order_id for trade in record.trades] == [sold.order_id]


def test_the_oldest_goes_when_the_limit_is_reached_and_is_counted(engine: Engine) -> None:
    record = Record(["ann"], 2)
    orders = [place(engine, "ann", Side.BUY, "50000", "1") for _ in range(3)]
    record.note_events(engine.take_events())
    assert list(record.orders) == [order.order_id for order in orders[1:]]
    for _ in range(3):
        record.note_request(PING)
    assert len(record.requests) == 2
    assert record.counts == {PING.path: 3}
    assert record.dropped == {"requests": 1, "orders": 1, "trades": 0}
    record.forget_requests()
    assert record.dropped["requests"] == 0


def test_paths_that_are_not_known_are_counted_as_one() -> None:
    record = Record([], 10)
    for path in ("v3/api/ping", "one", "another"):
        record.note_request(Received("GET", path, {}, account=None, time=0))
    assert record.counts == {"v3/api/ping": 1, "unknown": 2}
    assert [request.path for request in record.requests] == ["v3/api/ping", "one", "another"]


def test_trades_beyond_the_limit_are_counted(engine: Engine) -> None:
    record = Record([], 2)
    for _ in range(3):
        place(engine, "ann", Side.SELL, "50000", "1")
        place(engine, "bob", Side.BUY, "50000", "1")
    record.note_events(engine.take_events())
    assert (len(record.trades), record.dropped["trades"]) == (2, 1)


def test_with_no_limit_nothing_is_kept(engine: Engine) -> None:
    record = Record(["ann"], 0)
    place(engine, "ann", Side.BUY, "50000", "1")
    record.note_events(engine.take_events())
    record.note_request(PING)
    assert not record.orders
    assert not record.requests
    assert not record.trades
    assert not record.counts
