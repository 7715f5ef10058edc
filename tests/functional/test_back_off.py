"""What a 429 of the exchange does to all replicas, over the wire."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.functional.callers import Caller
from tests.functional.conftest import running_service
from tests.functional.ordering import accepted, cancel, place
from tests.functional.service import Service
from tests.processes import eventually

BOOK = '{ market(symbol: "UNITRY") { orderBook { stale } } }'
BALANCES = '{ account(id: "demo") { balances { asset } } }'


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway that asks the exchange for a book each time, as long as it may."""
    settings = {"NGW_LIFETIME_ORDER_BOOK": "0.001/600"}
    with running_service(tmp_path_factory, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def second(first: Service) -> Iterator[Service]:
    """Another gateway on the same Redis and the same exchange."""
    with closing(first.replica()) as other:
        other.start()
        yield other


@pytest.fixture
def replicas(first: Service, second: Service) -> Iterator[tuple[Service, Service]]:
    """Both, with nothing to wait for before the test and after it."""
    yield first, second
    assert eventually(lambda: not backing_off(first) and not backing_off(second))


def backing_off(service: Service) -> bool:
    """Whether it calls the exchange no more."""
    return "too many" in service.problems().get("exchange", "")


def pause(*services: Service) -> None:
    """Let a third replica tell of a pause that is long enough for a test."""
    services[0].valkey.command("SET", "ngw:1:back-off", "1", "PX", "5000")
    assert eventually(lambda: all(map(backing_off, services)))


def test_one_429_stops_every_replica_for_a_while(replicas: tuple[Service, Service]) -> None:
    first, second = replicas
    with first.exchange.fault("market/limit-buy", outcome="too-many-requests", count=1):
        pending = place(first.caller(), "back-off-met")
    assert pending["__typename"] == "OrderPending"
    assert eventually(lambda: "exchange.too_many_elsewhere" in second.log.read_text())
    assert "exchange.too_many" in first.log.read_text()
    assert eventually(lambda: not backing_off(second))
    order_id = accepted(second.caller(), "back-off-over", price="300002")["order"]["orderId"]
    cancel(second.caller(), order_id)


def test_meanwhile_nothing_is_asked_of_the_exchange_but_to_cancel(
    replicas: tuple[Service, Service],
) -> None:
    order_id = accepted(replicas[0].caller(), "back-off-open", price="300003")["order"]["orderId"]
    pause(*replicas)
    wallets = len(replicas[0].exchange.requests("balance/wallet"))
    for service in replicas:
        error = service.caller().error(BALANCES)
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 0 < error["extensions"]["retryAfter"] <= 5
        refused = place(service.caller(), f"back-off-{service.port}", price="300001")
        assert (refused["__typename"], refused["code"]) == ("OrderRejected", "RATE_LIMITED")
    cancelled = cancel(replicas[1].caller(), order_id)
    assert all(map(backing_off, replicas))
    assert cancelled["__typename"] == "OrderCancelled"
    assert len(replicas[0].exchange.requests("balance/wallet")) == wallets
    assert replicas[0].exchange.requests("market/limit-buy", price="300001") == []


def test_meanwhile_markets_are_shown_from_memory_as_stale(
    replicas: tuple[Service, Service],
) -> None:
    first, second = replicas
    assert shown_stale(first.caller()) is False
    pause(first, second)
    asked = len(first.exchange.requests("market/depth"))
    assert shown_stale(first.caller()) is True
    assert backing_off(first)
    assert len(first.exchange.requests("market/depth")) == asked


def shown_stale(caller: Caller) -> bool:
    """Whether the book is shown as stale."""
    return bool(caller.answer(BOOK)["market"]["orderBook"]["stale"])
