"""Orders of whose outcome nobody was told: what is found out, by whom, and what stays in doubt."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gateway.cli.operations import operation
from tests.faults.desk import GUARD_MS, WINDOW_MS
from tests.faults.evidence import Row
from tests.faults.grid import LATE_MS
from tests.faults.journal_wire import BEGIN, Moment, Write
from tests.faults.world import RECORDS, Setting, World
from tests.functional.callers import Json
from tests.functional.exchange import Trader
from tests.processes import eventually

PLACE = operation("place-order")
RESOLVE = operation("resolve-placement")
SYMBOL = "BTCTRY"
LIMIT = {"limit": {"price": "300000", "quantity": "0.001"}}

OpenWorld: TypeAlias = Callable[..., World]


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[OpenWorld]:
    """Start a world with one account, demo, which the second replica leads, being there first."""
    with ExitStack() as stack:

        def make(**settings: str) -> World:
            world = World(tmp_path / "world", Setting(accounts=("demo",), settings=settings))
            stack.callback(world.close)
            world.start([1])
            world.start([0])
            return world

        yield make


def place(world: World, client_order_id: str, replica: int = 0) -> Json:
    order = {"account": "demo", "symbol": SYMBOL, "side": "BUY", "order": LIMIT}
    caller = world.caller(replica)
    return caller.answer(PLACE, input={**order, "clientOrderId": client_order_id})["placeOrder"]


def record(world: World) -> Row:
    """The journal's only record."""
    with world.store() as store:
        (key,) = store.scan_iter(match=RECORDS)
        found: dict[str, Any] = json.loads(store.get(key) or b"")
    return found


def events(world: World) -> list[dict[str, Any]]:
    """The account's events."""
    with world.store() as store:
        entries = store.xrange("ngw:1:journal:{demo}:events")
    return [json.loads(fields[b"event"]) for _, fields in entries]


def orders_told(world: World) -> list[dict[str, str]]:
    """The orders in the account's events, and whose they are said to be."""
    return [
        {"order_id": event["order"]["order_id"], "origin": event["origin"]}
        for event in events(world)
        if event["order"] is not None
    ]


def levels(world: World, event: str) -> list[str]:
    """How severe the replicas' log lines of a kind are."""
    lines = [line for each in world.replicas for line in each.service.events()]
    return [line["level"] for line in lines if line["event"] == event]


def wire(world: World) -> list[Json]:
    """What became of each order request at the exchange."""
    return [row["executed"] for row in world.exchange.requests("market/limit-buy")]


@pytest.mark.timeout(90)
def test_a_sender_that_stood_still_while_another_took_over_sends_nothing_any_more(
    open_world: OpenWorld,
) -> None:
    # It is patient: what its record's answer says still reaches it.
    world = open_world(NGW_REDIS_TIMEOUT_S="30")
    sender = world.replicas[0]

    def freeze(write: Write, moment: Moment) -> bool:
        if write.script == BEGIN and moment is Moment.ANSWERED:
            sender.stop()
            assert world.settled()
            sender.resume()
        return True

    sender.journal.hook = freeze
    answer = place(world, "frozen")
    assert (answer["__typename"], answer["retryable"]) == ("OrderRejected", True)
    assert eventually(lambda: record(world)["answered"] is not None)
    assert eventually(lambda: record(world)["state"] == "NOT_PLACED")
    assert place(world, "frozen", 1)["__typename"] == "OrderRejected"
    report = world.judge(world.evidence())
    assert (report.requests, report.violations) == (0, ())


@pytest.mark.timeout(90)
def test_a_request_that_arrives_after_another_took_over_is_refused_by_the_exchange(
    open_world: OpenWorld,
) -> None:
    world = open_world()
    sender = world.replicas[0]

    def freeze(api_key: str) -> bool:
        sender.stop()
        assert world.settled()
        return True

    sender.orders.toll = freeze
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(place, world, "frozen")
        assert eventually(lambda: wire(world) == ["20004"])
        sender.resume()
        assert answer.result()["__typename"] != "OrderAccepted"
    assert eventually(lambda: record(world)["state"] == "NOT_PLACED")
    assert place(world, "frozen", 1)["__typename"] == "OrderRejected"
    report = world.judge(world.evidence())
    assert (report.requests, report.violations) == (1, ())


@pytest.mark.timeout(90)
def test_an_order_executed_after_its_guard_is_found_and_told_as_late(open_world: OpenWorld) -> None:
    world = open_world()
    late_ms = WINDOW_MS + GUARD_MS + 2_500
    with world.exchange.fault("market/limit-buy", outcome="execute-late", lateMs=late_ms, count=1):
        assert place(world, "late")["__typename"] == "OrderPending"
        assert eventually(lambda: record(world)["state"] == "NOT_PLACED")
        assert eventually(lambda: record(world)["state"] == "ACCEPTED")
    assert eventually(lambda: levels(world, "order.late") == ["critical"])
    report = world.judge(world.evidence())
    assert (report.late, report.violations) == (1, ())


@pytest.mark.timeout(90)
def test_an_order_executed_within_its_guard_is_never_called_not_placed(
    open_world: OpenWorld,
) -> None:
    world = open_world()
    with world.exchange.fault("market/limit-buy", outcome="execute-late", lateMs=LATE_MS, count=1):
        assert place(world, "late")["__typename"] == "OrderPending"
        assert world.settled()
    report = world.judge(world.evidence())
    assert (report.states, report.late, report.violations) == ({"ACCEPTED": 1}, 0, ())


@pytest.mark.timeout(90)
def test_an_order_without_an_answer_is_sent_once_however_often_it_is_asked_for(
    open_world: OpenWorld,
) -> None:
    world = open_world()
    with world.exchange.fault("market/limit-buy", outcome="drop-before", count=1):
        answers = [place(world, "asked-for", replica) for replica in (0, 1, 0, 1)]
        assert {answer["__typename"] for answer in answers} == {"OrderPending"}
        assert world.settled()
    assert place(world, "asked-for", 1)["__typename"] == "OrderRejected"
    report = world.judge(world.evidence())
    assert (report.states, report.requests, report.violations) == ({"NOT_PLACED": 1}, 1, ())


def test_no_order_goes_out_before_its_record_is_acknowledged(open_world: OpenWorld) -> None:
    world = open_world()
    for number in range(3):
        place(world, f"order-{number}", number % 2)
        assert len(wire(world)) == number + 1
    assert world.log.ahead == []


@pytest.mark.timeout(90)
def test_one_reading_is_not_enough_to_call_an_order_not_placed(open_world: OpenWorld) -> None:
    world = open_world(NGW_RESOLVE_SPACING_S="3", NGW_RESOLVE_WITHIN_S="10")
    late_ms = WINDOW_MS + GUARD_MS + 1_000  # behind the first reading that could show nothing
    with world.exchange.fault("market/limit-buy", outcome="execute-late", lateMs=late_ms, count=1):
        assert place(world, "between")["__typename"] == "OrderPending"
        assert world.settled()
    report = world.judge(world.evidence())
    assert (report.states, report.late, report.violations) == ({"ACCEPTED": 1}, 0, ())


@pytest.mark.timeout(90)
def test_of_two_equal_orders_nobody_guesses_which_is_whose_until_a_person_says(
    open_world: OpenWorld,
) -> None:
    world = open_world()
    exchange = world.exchange
    outsider = Trader(exchange.http, world.accounts["demo"].keys[0])
    elsewhere: list[str] = []

    def first(api_key: str) -> bool:
        elsewhere.append(outsider.limit("buy", SYMBOL, "300000", "0.001"))
        exchange.control(
            "faults", endpoint="v3/api/market/limit-buy", outcome="drop-after", count=1
        )
        return True

    world.replicas[0].orders.toll = first
    assert place(world, "one-of-two")["__typename"] == "OrderPending"
    assert world.settled()
    doubtful = record(world)
    assert (doubtful["state"], doubtful["order"]) == ("IN_DOUBT", None)
    own = {row["orderId"] for row in exchange.orders("demo")} - set(elsewhere)
    said = {"outcome": "PLACED", "orderId": own.pop(), "reason": "seen on the exchange's own page"}
    operator = world.caller(1, "operator")
    resolved = operator.answer(RESOLVE, id=doubtful["id"], **said)["resolvePlacement"]
    assert resolved["placement"]["state"] == "ACCEPTED"
    assert place(world, "one-of-two")["__typename"] == "OrderAccepted"


def test_after_redis_lost_what_it_had_acknowledged_an_account_is_closed_until_it_is_reopened(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    # So long a lease does not lapse meanwhile: its leader must see by itself that events are gone.
    world = open_world(NGW_ACCOUNT_LEASE_S="6")
    assert place(world, "kept")["__typename"] == "OrderAccepted"
    world.valkey.keep(tmp_path / "older")
    lost = place(world, "lost")
    assert lost["__typename"] == "OrderAccepted"
    world.valkey.kill()
    world.valkey.restore(tmp_path / "older")
    world.valkey.start()
    assert eventually(lambda: place(world, "refused").get("code") == "ACCOUNT_QUARANTINED")
    assert place(world, "refused", 1)["code"] == "ACCOUNT_QUARANTINED"
    sent = len(wire(world))
    world.reopen(0)
    assert eventually(lambda: place(world, "reopened", 1)["__typename"] == "OrderAccepted")
    assert len(wire(world)) == sent + 1
    orphan = {"order_id": lost["order"]["orderId"], "origin": "EXTERNAL"}
    assert eventually(lambda: orphan in orders_told(world))
    assert eventually(lambda: any(event["gap"] for event in events(world)))
