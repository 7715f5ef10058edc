"""An account's balances as they are followed: all of them first, then each change, none untrue."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import COUNTERPARTY, OUTSIDER, QUIET, Exchange
from tests.functional.ordering import accepted, cancel
from tests.functional.service import Service
from tests.processes import eventually

WATCH = operation("watch-balances")
PRICE = "300000"
HELD = Decimal(300)
"""What an order of a thousandth at this price holds."""


@contextmanager
def watching(service: Service) -> Iterator[tuple[Socket, dict[str, Json]]]:
    """Follow the account demo, with a gateway that shows all of its balances first."""
    with open_socket(service.ws_url, service.caller().token) as socket:
        socket.subscribe(WATCH, account="demo")
        yield socket, all_of(socket, service.exchange)


def truly(exchange: Exchange) -> dict[str, tuple[Decimal, Decimal]]:
    rows = exchange.truth("demo")["balances"]["demo"]
    return {row["symbol"]: (Decimal(row["available"]), Decimal(row["reserved"])) for row in rows}


def all_of(socket: Socket, exchange: Exchange) -> dict[str, Json]:
    """What stands, which comes first."""
    events = [socket.next()["balances"] for _ in truly(exchange)]
    return {event["asset"]: event for event in events}


def total_of(balance: Json) -> Decimal:
    return Decimal(balance["total"])


def parts(balance: Json) -> tuple[Decimal, Decimal]:
    return Decimal(balance["available"]), Decimal(balance["held"])


def amounts(shown: dict[str, Json]) -> dict[str, tuple[Decimal, ...]]:
    """The total and the parts of each asset."""
    return {asset: (total_of(balance), *parts(balance)) for asset, balance in shown.items()}


def test_all_balances_come_first_and_are_those_of_the_exchange(
    service: Service, exchange: Exchange
) -> None:
    with watching(service) as (_, shown):
        assert {asset: parts(balance) for asset, balance in shown.items()} == truly(exchange)


def test_orders_that_come_and_go_move_what_is_held_and_no_total(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with watching(service) as (socket, shown):
        total, (free, held) = total_of(shown["TRY"]), parts(shown["TRY"])
        ids = [accepted(trader, f"moves-{n}", price=PRICE)["order"]["orderId"] for n in range(10)]
        for order_id in ids:
            cancel(trader, order_id)
        steps = [*range(1, 11), *range(9, -1, -1)]
        events = [socket.next()["balances"] for _ in steps]
        assert {(event["asset"], total_of(event)) for event in events} == {("TRY", total)}
        assert [parts(event) for event in events] == [
            (free - step * HELD, held + step * HELD) for step in steps
        ]


def cut(exchange: Exchange) -> None:
    exchange.streams("cut", account="demo")


def truncate(exchange: Exchange) -> None:
    exchange.inject('{"type": "balanceUpdate", "symbol": "TRY", "avail', account="demo")


@pytest.mark.parametrize(
    ("break_off", "reason"),
    [
        (cut, "connection ended: closed"),
        (truncate, "a frame could not be read"),
    ],
)
def test_after_a_break_a_gap_and_then_all_balances_as_they_are(
    service: Service,
    exchange: Exchange,
    trader: Caller,
    break_off: Callable[[Exchange], None],
    reason: str,
) -> None:
    with watching(service) as (socket, shown):
        break_off(exchange)
        gap = socket.next()["balances"]
        assert (gap["__typename"], gap["reason"]) == ("Gap", reason)
        again = all_of(socket, exchange)
        assert amounts(again) == amounts(shown)
        order = accepted(trader, f"after-{break_off.__name__}", price=PRICE)["order"]
        free, held = parts(shown["TRY"])
        assert parts(socket.next()["balances"]) == (free - HELD, held + HELD)
        cancel(trader, order["orderId"])


def test_a_reading_that_the_exchange_goes_on_refusing_ends_the_stream_with_the_reason(
    service: Service, exchange: Exchange
) -> None:
    with watching(service) as (socket, _):
        with exchange.fault("market/user-trades", outcome="code-before", code="10038"):
            cut(exchange)
            assert socket.next()["balances"]["__typename"] == "Gap"
            failure = socket.error()
            assert failure["extensions"]["code"] == "EXCHANGE_REFUSED"
            assert failure["extensions"]["exchangeCode"] == "10038"
            assert service.problems() == {"streams": f"demo cannot be read: {failure['message']}"}
            assert eventually(lambda: service.metric("gateway_account_unread", account="demo") == 1)
        socket.subscribe(WATCH, account="demo")
        all_of(socket, exchange)
        assert service.readiness() == "ready"


def test_who_follows_an_account_whose_login_is_refused_is_told_so_at_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    strange = replace(QUIET, accounts=(OUTSIDER, COUNTERPARTY))
    states = ("ready", "degraded")  # accounts that cannot be followed are told of
    with (
        running_service(tmp_path_factory, strange, ready=states) as service,
        open_socket(service.ws_url, service.caller().token) as socket,
    ):
        for stream, field in (("first", "balances"), ("later", "orders")):
            socket.subscribe(operation(f"watch-{field}"), stream, account="demo")
            failure = socket.error(stream)
            assert failure["extensions"] == {"code": "EXCHANGE_UNAVAILABLE", "retryable": True}
            assert "refuses the gateway's login" in failure["message"]
        lines = [line for line in service.events() if line["event"] == "account.login_refused"]
    assert [line["level"] for line in lines if line["account"] == "demo"] == ["error"]


def test_a_deposit_that_is_completed_is_told(service: Service, exchange: Exchange) -> None:
    with watching(service) as (socket, shown):
        exchange.control("deposits", account="demo", asset="HOT", quantity="5")
        event = socket.next()["balances"]
        free, held = parts(shown["HOT"])
        assert (event["asset"], parts(event)) == ("HOT", (free + 5, held))
