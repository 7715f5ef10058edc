from gateway.sandbox.engine import Engine
from gateway.sandbox.events import OrderStatus, Side
from gateway.sandbox.record import Received, Record
from tests.unit.sandbox.clients import place

PING = Received("GET", "v3/api/ping", {})


def test_an_order_is_kept_as_it_was_last(engine: Engine) -> None:
    record = Record(["ann"], 10)
    order = place(engine, "ann", Side.BUY, "50000", "1")
    engine.cancel("ann", order.order_id)
    record.note_events(engine.take_events())
    assert [kept.status for kept in record.orders.values()] == [OrderStatus.CANCELLED]


def test_only_trades_of_the_accounts_are_kept(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "bob", Side.BUY, "50000", "1")
    events = engine.take_events()
    concerned, foreign = Record(["bob"], 10), Record(["cem"], 10)
    for record in (concerned, foreign):
        record.note_events(events)
    assert len(concerned.trades) == len(concerned.orders) == 1
    assert len(foreign.trades) == len(foreign.orders) == 0


def test_the_oldest_goes_when_the_limit_is_reached(engine: Engine) -> None:
    record = Record(["ann"], 2)
    orders = [place(engine, "ann", Side.BUY, "50000", "1") for _ in range(3)]
    record.note_events(engine.take_events())
    assert list(record.orders) == [order.order_id for order in orders[1:]]
    for _ in range(3):
        record.note_request(PING)
    assert len(record.requests) == 2
    assert record.counts == {PING.path: 3}


def test_with_no_limit_nothing_is_kept(engine: Engine) -> None:
    record = Record(["ann"], 0)
    place(engine, "ann", Side.BUY, "50000", "1")
    record.note_events(engine.take_events())
    record.note_request(PING)
    assert not record.orders
    assert not record.requests
    assert not record.counts
