"""Keys that change, fail and come back while the gateway serves."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from threading import Event

import pytest

from gateway.cli.operations import operation
from gateway.sandbox import KeyPair
from tests.functional.callers import Caller, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO, QUIET
from tests.functional.key_sources import Mount
from tests.functional.ordering import accepted, cancel, open_orders, place
from tests.functional.service import Service
from tests.functional.under_load import UNBOUNDED
from tests.processes import eventually

WATCH = operation("watch-orders")
OLD = DEMO.keys[0]
NEW = KeyPair("the-newer-key", "the-newer-secret")
STRANGE = KeyPair("a-key-of-nobody", "a-secret-of-nobody")
TWO_KEYS = replace(QUIET, accounts=(replace(DEMO, keys=(OLD, NEW)), *QUIET.accounts[1:]))


@dataclass
class World:
    """A gateway that reads its keys from `mount`."""

    mount: Mount
    service: Service

    def lines(self, event: str) -> list[dict[str, str]]:
        """The log's lines of a kind."""
        rows = (json.loads(line) for line in self.service.log.read_text().splitlines())
        return [row for row in rows if row.get("event") == event]

    def wait_for(self, event: str) -> None:
        """Wait until the log tells this of both slots."""
        assert eventually(lambda: len({row["key"] for row in self.lines(event)}) == 2)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway of this test alone, with the old key in force."""
    mount = Mount(tmp_path_factory.mktemp("mount"))
    mount.hold(OLD)
    settings = {"NGW_CREDENTIALS_DIR": str(mount.folder), **UNBOUNDED}
    with running_service(tmp_path_factory, TWO_KEYS, (DEMO,), settings=settings) as service:
        yield World(mount, service)
        log = service.log.read_text()
        assert not any(half in log for half in (NEW.api_key, NEW.api_secret, STRANGE.api_key))


def trading(caller: Caller, name: str, stop: Event) -> int:
    """Place, read and cancel until told to stop; give how many orders that made."""
    for number in count():
        order_id = accepted(caller, f"{name}-{number}")["order"]["orderId"]
        assert order_id in open_orders(caller)
        assert cancel(caller, order_id)["__typename"] == "OrderCancelled"
        if stop.is_set():
            return number + 1
    raise AssertionError


def during_trade(world: World, change: Callable[[], None]) -> None:
    """Make a change while two callers trade; nothing that they ask for may fail."""
    stop, trader = Event(), world.service.caller()
    with ThreadPoolExecutor() as threads:
        working = [threads.submit(trading, trader, f"load-{it}", stop) for it in range(2)]
        try:
            assert eventually(lambda: len(world.service.exchange.orders("demo")) > len(working))
            change()
        finally:
            stop.set()
        assert all(work.result() > 0 for work in working)


def test_a_key_is_switched_to_under_load_and_nothing_fails(world: World) -> None:
    def switch() -> None:
        world.mount.hold(NEW)
        world.wait_for("key.switched")

    during_trade(world, switch)
    # The account's stream logs in with it, too.
    assert eventually(lambda: world.service.problems() == {}), world.service.problems()


def test_a_key_that_the_exchange_refuses_is_not_switched_to_and_nothing_fails(
    world: World,
) -> None:
    def break_and_mend() -> None:
        world.mount.hold(STRANGE)
        world.wait_for("key.not_used")
        assert "the exchange refuses it (20001)" in world.service.problems()["keys"]
        assert world.service.metric("gateway_key_problem") == 1
        world.mount.hold(OLD)
        assert eventually(lambda: "keys" not in world.service.problems())

    during_trade(world, break_and_mend)
    assert world.lines("key.switched") == []


def test_a_trade_key_that_is_refused_stops_trading_alone_until_the_exchange_takes_it(
    world: World,
) -> None:
    trader, exchange = world.service.caller(), world.service.exchange
    with exchange.fault("market/cancel-order", outcome="code-before", code="20011"):
        with exchange.fault("market/limit-buy", outcome="code-before", code="20011", count=1):
            assert place(trader, "refused")["exchangeCode"] == "20011"
        assert place(trader, "not-sent")["code"] == "KEY_UNAVAILABLE"
        assert open_orders(trader) == {}
        assert len(exchange.requests("market/limit-buy")) == 1
        assert "the exchange refuses demo/trade@" in world.service.problems()["keys"]
        assert world.service.metric("gateway_key_problem") == 0  # that is of sources and new keys
    assert eventually(lambda: "keys" not in world.service.problems())
    accepted(trader, "taken")


def test_an_accounts_stream_moves_over_to_the_new_key(world: World) -> None:
    trader = world.service.caller()
    with open_socket(world.service.ws_url, trader.token) as socket:
        before = accepted(trader, "before")["order"]["orderId"]
        socket.subscribe(WATCH, account="demo")
        assert socket.next()["orders"]["orderId"] == before  # there is no gap before what is told
        world.mount.hold(NEW)
        while socket.next()["orders"]["__typename"] != "Gap":
            pass
        order_id = accepted(trader, "after")["order"]["orderId"]
        while (order := socket.next()["orders"]).get("orderId") != order_id:
            pass
        assert order["status"] == "NEW"


def test_an_account_that_can_only_be_withdrawn_from_is_not_followed_and_nothing_is_wrong(
    world: World,
) -> None:
    trader, service = world.service.caller(), world.service
    with open_socket(service.ws_url, trader.token) as socket:
        world.mount.hold(OLD, "trade", "withdraw")
        assert eventually(lambda: 'purpose="withdraw"' in service.http.get("/metrics").text)
        socket.subscribe(WATCH, account="demo")
        world.mount.hold(OLD, "withdraw")
        assert socket.error_code() == "KEY_UNAVAILABLE"
        socket.subscribe(WATCH, account="demo")
        assert socket.error_code() == "KEY_UNAVAILABLE"
    assert eventually(lambda: "gateway_account_led{" not in service.http.get("/metrics").text)
    assert service.metric("gateway_accounts") == 1
    assert service.problems() == {}
    assert "account.login_refused" not in service.log.read_text()
    assert place(trader, "no-key")["code"] == "KEY_UNAVAILABLE"
    world.mount.hold(OLD)
    assert eventually(lambda: service.metric("gateway_account_connected", account="demo") == 1)
    assert eventually(lambda: service.metric("gateway_account_led", account="demo") == 1)
