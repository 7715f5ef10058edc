"""Stopping trade and people, over the wire: on two replicas, over a restart, from a terminal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, open_socket
from tests.functional.conftest import running_service
from tests.functional.ordering import PLACE, accepted, cancel, command, open_orders, place
from tests.functional.service import Service
from tests.processes import eventually

SET = operation("set-trading-state")
SWITCHES = operation("trading-switches")
SUSPEND = operation("suspend-principal")
RESTORE = operation("restore-principal")
STATE = '{ account(id: "demo") { tradingState } }'
WHO = "{ viewer { principal } }"
WHY = "prices look wrong"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two gateways on one Valkey."""
    with running_service(tmp_path_factory) as one, closing(one.replica()) as other:
        other.start()
        yield one, other


@pytest.fixture(autouse=True)
def everything_active(replicas: tuple[Service, Service]) -> Iterator[None]:
    """Leave no switch, no suspension and no order behind."""
    yield
    one, _ = replicas
    stands = one.caller("operator").answer(SWITCHES)
    for switch in stands["tradingSwitches"]:
        switched(one, "ACTIVE", account=switch["account"], principal=switch["principal"])
    for suspension in stands["suspensions"]:
        answer = one.caller("operator").answer(
            RESTORE, principal=suspension["principal"], reason="over"
        )
        assert answer["restorePrincipal"]["__typename"] == "PrincipalRestored"
    one.exchange.sweep()


def switched(service: Service, state: str, **scope: str | None) -> Json:
    """Let the operator set a switch; give it."""
    answer = service.caller("operator").answer(SET, state=state, reason=WHY, **scope)
    assert answer["setTradingState"]["__typename"] == "TradingStateSet", answer
    return answer["setTradingState"]["switch"]


def code(result: Json) -> str:
    """The code of a rejection; empty for what was done."""
    return str(result.get("code", ""))


def state(caller: Caller) -> str:
    """What the caller is shown of the account."""
    return str(caller.answer(STATE)["account"]["tradingState"])


def test_cancel_only_stops_orders_at_once_on_all_replicas_and_lets_cancels_through(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    order_id = accepted(one.caller(), "before-cancel-only")["order"]["orderId"]
    switched(one, "CANCEL_ONLY")
    refused = place(other.caller(), "under-cancel-only")
    assert (code(refused), refused["retryable"]) == ("TRADING_HALTED", False)
    assert refused["message"] == (f"trading is CANCEL_ONLY for everything: {WHY}; nothing was sent")
    assert state(other.caller()) == "CANCEL_ONLY"
    assert cancel(other.caller(), order_id)["__typename"] == "OrderCancelled"
    switched(other, "ACTIVE")
    assert state(one.caller()) == "ACTIVE"
    accepted(one.caller(), "under-cancel-only")


def test_halted_stops_cancels_too_and_survives_a_restart(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    order_id = accepted(one.caller(), "before-halt")["order"]["orderId"]
    switched(other, "HALTED")
    other.signal(signal.SIGKILL)
    other.exit_code()
    other.start()
    for each in replicas:
        assert state(each.caller()) == "HALTED"
        assert code(place(each.caller(), "under-halt")) == "TRADING_HALTED"
        assert code(cancel(each.caller(), order_id)) == "TRADING_HALTED"
    assert order_id in open_orders(one.caller())
    switched(one, "ACTIVE")
    assert cancel(other.caller(), order_id)["__typename"] == "OrderCancelled"


def test_a_switch_for_a_principal_or_an_account_stops_nobody_else(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    switched(one, "HALTED", principal="second-trader")
    switched(one, "HALTED", account="vault")
    assert code(place(other.caller("second-trader"), "stopped")) == "TRADING_HALTED"
    assert state(other.caller("second-trader")) == "HALTED"
    assert state(other.caller()) == "ACTIVE"
    accepted(other.caller(), "not-stopped")


def test_a_replayed_order_is_still_told_while_trade_is_halted(
    replicas: tuple[Service, Service],
) -> None:
    one, _ = replicas
    placed = accepted(one.caller(), "placed-before")["placement"]["id"]
    switched(one, "HALTED")
    assert accepted(one.caller(), "placed-before")["placement"]["id"] == placed


def test_a_switch_shows_for_what_why_by_whom_and_since_when(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    switch = switched(one, "CANCEL_ONLY", account="demo")
    shown = other.caller("operator").answer(SWITCHES)
    assert shown == {"tradingSwitches": [switch], "suspensions": [], "quarantines": []}
    assert (switch["account"], switch["principal"], switch["setBy"], switch["reason"]) == (
        "demo",
        None,
        "operator",
        WHY,
    )


def test_who_may_not_operate_is_refused_and_changes_nothing(
    replicas: tuple[Service, Service],
) -> None:
    one, _ = replicas
    trader = one.caller()
    for document, field, variables in (
        (SET, "setTradingState", {"state": "HALTED"}),
        (SUSPEND, "suspendPrincipal", {"principal": "operator"}),
        (RESTORE, "restorePrincipal", {"principal": "operator"}),
    ):
        refused = trader.answer(document, reason=WHY, **variables)[field]
        assert (refused["__typename"], refused["code"]) == ("OperatorRejected", "FORBIDDEN")
    for field in ("tradingSwitches { state }", "suspensions { reason }", "quarantines { reason }"):
        assert trader.code(f"{{ {field} }}") == "FORBIDDEN"
    standing = one.caller("operator").answer(SWITCHES)
    assert standing == {"tradingSwitches": [], "suspensions": [], "quarantines": []}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"reason": "two\nlines"}, "BAD_USER_INPUT"),
        ({"reason": ""}, "BAD_USER_INPUT"),
        ({"account": "demo", "principal": "trader"}, "BAD_USER_INPUT"),
        ({"account": "dmeo"}, "UNKNOWN_ACCOUNT"),
        ({"principal": "dsek"}, "BAD_USER_INPUT"),
    ],
    ids=["lines", "no reason", "both", "account", "principal"],
)
def test_what_makes_no_sense_is_refused(
    replicas: tuple[Service, Service], wrong: dict[str, str], expected: str
) -> None:
    one, _ = replicas
    given = {"state": "HALTED", "reason": WHY} | wrong
    refused = one.caller("operator").answer(SET, **given)["setTradingState"]
    assert refused["code"] == expected
    assert one.caller("operator").answer(SWITCHES)["tradingSwitches"] == []


def test_a_suspended_principal_is_refused_everywhere_and_its_sockets_close(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    trader = other.caller("second-trader")
    with open_socket(other.ws_url, trader.token) as socket:
        socket.subscribe(operation("watch-tickers"), symbols=["BTCTRY"])
        socket.next()
        answer = one.caller("operator").answer(SUSPEND, principal="second-trader", reason=WHY)
        assert answer["suspendPrincipal"]["__typename"] == "PrincipalSuspended"
        assert socket.closed() == 4403
    for each in replicas:
        assert each.caller("second-trader").code("{ viewer { principal } }") == "UNAUTHENTICATED"
    one.caller("operator").answer(RESTORE, principal="second-trader", reason="a new token")
    assert eventually(lambda: "errors" not in trader.post("{ viewer { principal } }").json())


def test_who_is_suspended_while_his_order_comes_in_places_none(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    held = other.caller("second-trader")
    order = json.dumps({"query": PLACE, "variables": command("held-back", price="299000")}).encode()

    def pieces() -> Iterator[bytes]:
        yield order[:1]
        one.caller("operator").answer(SUSPEND, principal="second-trader", reason=WHY)
        assert eventually(lambda: held.post(WHO).status_code == 401)
        yield order[1:]

    headers = {**held.headers, "Content-Type": "application/json"}
    with httpx.Client(base_url=other.http.base_url) as connection:
        response = connection.post("/graphql", content=pieces(), headers=headers)
    assert response.status_code == 401
    assert one.exchange.requests("market/limit-buy", price="299000") == []
    one.caller("operator").answer(RESTORE, principal="second-trader", reason="a new token")
    assert eventually(lambda: "errors" not in held.post(WHO).json())


def test_nobody_suspends_themselves(replicas: tuple[Service, Service]) -> None:
    one, _ = replicas
    answer = one.caller("operator").answer(SUSPEND, principal="operator", reason=WHY)
    assert code(answer["suspendPrincipal"]) == "BAD_USER_INPUT"


def trading(service: Service, *words: str, token: str = "operator") -> tuple[int, str]:
    """Run `narkasa-gateway trading`: exit status, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "trading", *words],
        env={
            "PATH": os.environ["PATH"],
            "GATEWAY_URL": str(service.http.base_url),
            "GATEWAY_TOKEN": service.members["trader"].token,
            "OPERATOR_TOKEN": service.members[token].token,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout


def test_an_operator_stops_and_restores_from_a_terminal(
    replicas: tuple[Service, Service],
) -> None:
    one, other = replicas
    status, told = trading(one, "set", "cancel_only", "--account", "demo", "--reason", WHY)
    assert (status, told.startswith("CANCEL_ONLY  account demo  by operator at ")) == (0, True)
    assert code(place(other.caller(), "from-terminal")) == "TRADING_HALTED"
    status, told = trading(one, "suspend", "second-trader", "--reason", WHY)
    assert (status, told.startswith("suspended  principal second-trader  by operator")) == (0, True)
    status, told = trading(one, "show")
    assert (status, [line.split("  ")[0] for line in told.splitlines()]) == (
        0,
        ["CANCEL_ONLY", "suspended"],
    )
    assert trading(one, "set", "ACTIVE", "--account", "demo", "--reason", "over")[0] == 0
    assert trading(one, "restore", "second-trader", "--reason", "over")[0] == 0
    nothing = "trading is ACTIVE for everybody; nobody is suspended\n"
    assert trading(other, "show") == (0, nothing)


def test_a_refusal_ends_the_command_with_1_and_says_why(
    replicas: tuple[Service, Service],
) -> None:
    one, _ = replicas
    refused = trading(one, "set", "HALTED", "--reason", WHY, token="trader")
    assert refused == (1, "FORBIDDEN: not allowed: operate (rule default-deny)\n")
    status, told = trading(one, "show", token="stranger")
    assert (status, told.splitlines()[0]) == (1, "FORBIDDEN: not allowed: operate")
