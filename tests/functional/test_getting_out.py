"""Getting out of the market: all orders at once, and without the app that placed them."""

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json
from tests.functional.conftest import running_service
from tests.functional.exchange import Exchange
from tests.functional.ordering import accepted, open_orders
from tests.functional.service import Service
from tests.processes import eventually

CANCEL_ALL = operation("cancel-all-orders")
ARM = operation("arm-dead-man-switch")
DISARM = operation("disarm-dead-man-switch")


@pytest.fixture(autouse=True)
def swept(exchange: Exchange) -> Iterator[None]:
    """Find no order there, and leave none behind."""
    exchange.sweep()
    yield
    exchange.sweep()


def order_of(caller: Caller, client_order_id: str, price: str = "300000") -> str:
    placed = accepted(caller, client_order_id, price=price)
    return str(placed["order"]["orderId"])


def cancel_all(caller: Caller, **whose: object) -> Json:
    return caller.answer(CANCEL_ALL, account="demo", **whose)["cancelAllOrders"]


def arm(caller: Caller, seconds: int) -> Json:
    return caller.answer(ARM, account="demo", seconds=seconds)["armDeadManSwitch"]


def carried_out(service: Service) -> int:
    """How many lapses have been carried out."""
    fired = (event for event in service.events() if event["event"] == "dead_man.fired")
    return sum(event["state"] == "DONE" for event in fired)


def test_an_app_cancels_all_of_its_own_and_who_sees_all_cancels_the_rest(service: Service) -> None:
    app, boss = service.caller("second-trader"), service.caller("trader")
    own = {order_of(app, f"own-{number}", str(300_000 + number)) for number in range(6)}
    others = order_of(boss, "others")
    outside = service.exchange.demo.limit("buy", "BTCTRY", "300000", "0.001")
    told = cancel_all(app)
    assert (told["__typename"], set(told["cancelled"])) == ("OrdersCancelled", own)
    assert [told[each] for each in ("failed", "pending", "unresolved")] == [[], [], []]
    assert open_orders(boss).keys() == {others, outside}
    assert cancel_all(app, everybody=True)["code"] == "FORBIDDEN"
    assert set(cancel_all(boss, everybody=True)["cancelled"]) == {others, outside}
    assert open_orders(boss) == {}


def test_an_app_that_falls_silent_has_its_orders_cancelled_and_nobody_else_has(
    service: Service,
) -> None:
    app, boss = service.caller("second-trader"), service.caller("trader")
    before, fired = carried_out(service), service.metric("gateway_dead_man_fired_total")
    order_of(app, "left-behind")
    others = order_of(boss, "others-stay", "300001")
    assert arm(app, 1)["__typename"] == "DeadManSwitch"
    assert eventually(lambda: open_orders(boss).keys() == {others})
    # Until then what the app places is cancelled, too.
    assert eventually(lambda: carried_out(service) > before)
    assert service.metric("gateway_dead_man_fired_total") > fired


def test_a_switch_that_is_disarmed_cancels_nothing(service: Service) -> None:
    app = service.caller("second-trader")
    order_id = order_of(app, "stays")
    arm(app, 1)
    told = app.answer(DISARM, account="demo")["disarmDeadManSwitch"]
    assert told["__typename"] == "DeadManSwitchDisarmed"
    # Another's switch, armed after that, fires: so this one would have fired by then.
    before, other = carried_out(service), service.caller("trader")
    order_of(other, "goes", "300001")
    arm(other, 1)
    assert eventually(lambda: open_orders(other).keys() == {order_id})
    assert eventually(lambda: carried_out(service) > before)


def test_when_the_replica_that_took_the_switch_is_killed_another_carries_it_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    quick = {"NGW_ACCOUNT_LEASE_S": "1"}
    with (
        running_service(tmp_path_factory, settings=quick) as service,
        closing(service.replica()) as survivor,
    ):
        survivor.start()
        order_of(service.caller("second-trader"), "left-behind")
        arm(service.caller("second-trader"), 2)
        service.signal(signal.SIGKILL)
        service.exit_code()
        assert eventually(
            lambda: service.exchange.demo.call("market/user-orders", "GET")["orders"] == []
        )
