from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.endpoints import Venue
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Side
from gateway.sandbox.exchange import Exchange
from gateway.sandbox.hub import EVERYBODY, MOST_WAITING, StreamHub
from gateway.sandbox.treasury import Treasury
from tests.unit.sandbox.clients import NOW, place

SUBSCRIBE = '{"method": "SUBSCRIBE", "params": [{"type": "depth", "symbol": "BTCUSDT"}]}'


def build_hub(engine: Engine, queue_size: int) -> StreamHub:
    treasury = Treasury(SandboxConfig(), engine.ledger, lambda: "id", NOW)
    return StreamHub(Exchange(Venue(engine, lambda: NOW, treasury), Authenticator([])), queue_size)


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
