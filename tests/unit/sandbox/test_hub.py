from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.endpoints import Clock
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Side
from gateway.sandbox.exchange import Exchange
from gateway.sandbox.hub import EVERYBODY, MOST_WAITING, StreamHub, Subscriber
from gateway.sandbox.tape import DAY_MS
from tests.unit.sandbox.clients import NOW, Json, build_venue, exact_json, place

TICKERS = '{"method": "SUBSCRIBE", "params": [{"type": "allTickers"}]}'
SUBSCRIBE = '{"method": "SUBSCRIBE", "params": [{"type": "depth", "symbol": "BTCUSDT"}]}'


def build_hub(engine: Engine, queue_size: int, clock: Clock = lambda: NOW) -> StreamHub:
    return StreamHub(Exchange(build_venue(engine, clock), Authenticator([])), queue_size)


def move(engine: Engine, hub: StreamHub, times: int) -> None:
    for _ in range(times):
        place(engine, "ann", Side.BUY, "50000", "0.001")
        hub.publish(engine.take_events())


def test_a_subscriber_that_falls_behind_is_cut_and_the_others_are_not(engine: Engine) -> None:
    hub = build_hub(engine, queue_size=5)
    slow, quick = hub.join("127.0.0.1"), hub.join("127.0.0.1")
    for subscriber in (slow, quick):
        hub.receive(subscriber, SUBSCRIBE)
    move(engine, hub, 4)
    assert not slow.cut.is_set()
    quick.frames.get_nowait()
    move(engine, hub, 1)
    assert slow.cut.is_set()
    assert not quick.cut.is_set()
    assert slow.frames.qsize() == 5


def test_a_subscriber_is_cut_once_too_many_bytes_wait_for_it(engine: Engine) -> None:
    hub = build_hub(engine, queue_size=1000)
    subscriber = hub.join("127.0.0.1")
    for _ in range(3):
        hub.inject(EVERYBODY, "x" * MOST_WAITING)
        subscriber.frames.get_nowait()
    hub.inject(EVERYBODY, "x" * (MOST_WAITING + 1))
    assert not subscriber.cut.is_set()
    hub.inject(EVERYBODY, "x")
    assert subscriber.cut.is_set()


def test_one_operation_sends_one_depth_frame_however_often_the_book_changed(
    engine: Engine,
) -> None:
    hub = build_hub(engine, queue_size=50)
    subscriber = hub.join("127.0.0.1")
    hub.receive(subscriber, SUBSCRIBE)
    for price in ("50000", "50001", "50002"):
        place(engine, "ann", Side.BUY, price, "0.001")
    hub.publish(engine.take_events())
    assert subscriber.frames.qsize() == 2


def test_statistics_that_the_time_changes_are_told_once(engine: Engine) -> None:
    now = NOW
    hub = build_hub(engine, queue_size=50, clock=lambda: now)
    subscriber = hub.join("127.0.0.1")
    hub.receive(subscriber, TICKERS)
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "bob", Side.BUY, "50000", "1")
    hub.publish(engine.take_events())
    hub.publish_tickers()
    told = taken(subscriber)[-1]
    assert (told["tradeCount"], told["volume"]) == (1, 50_000)
    now += DAY_MS
    hub.publish_tickers()
    hub.publish_tickers()
    (frame,) = taken(subscriber)
    assert (frame["tradeCount"], frame["volume"], frame["last"]) == (0, 0, 50_000)


def taken(subscriber: Subscriber) -> list[Json]:
    """The frames that wait for a subscriber, who then has them."""
    return [exact_json(subscriber.frames.get_nowait()) for _ in range(subscriber.frames.qsize())]
