"""Two gateways on one Redis are one: what holds for the one holds for the other within a second."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from gateway.cli.operations import operation
from tests.faults.load import repeated
from tests.functional.callers import Json, open_socket
from tests.functional.conftest import running_service
from tests.functional.ordering import accepted, cancel, place
from tests.functional.service import AUDIT, MARKET, OPERATE, READ, TRADE_ALL, Member, Service
from tests.functional.shell import run
from tests.functional.under_load import UNBOUNDED
from tests.processes import eventually

SET = operation("set-trading-state")
SUSPEND = operation("suspend-principal")
RESTORE = operation("restore-principal")
TICKER = '{ market(symbol: "BTCTRY") { ticker { last } } }'
VAULT = '{ account(id: "vault") { balances { asset } } }'
WHY = "a drill"
HOLDS_AFTER_S = 1.0

Replicas: TypeAlias = tuple[Service, Service]


@dataclass(frozen=True)
class Bounded(Member):
    """A principal with limits on its orders."""

    grants: tuple[tuple[str, ...], ...] = (MARKET, READ, TRADE_ALL)
    limits: Mapping[str, Any] = field(default_factory=dict)
    rate: str | None = None

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        entry = super().entry()
        for grant in entry["grants"]:
            if self.limits and "orders:place" in grant["actions"]:
                grant |= {"limits": self.limits, "order_types": ["LIMIT"]}
        return entry if self.rate is None else {**entry, "rate": self.rate}


PEOPLE = (
    Bounded("trader"),
    Bounded("racer", rate="50/h"),
    Bounded("orderly", limits={"rate": "4/h"}),
    Bounded("daily", limits={"day_notional": {"TRY": "1501"}}),
    Bounded("vault-reader", account="vault"),
    Bounded("vault-trader", account="vault"),
    Member("operator", (MARKET, OPERATE, AUDIT)),
)


def write_policy(service: Service, people: Sequence[Member] = PEOPLE) -> None:
    """Let these call; the account vault has a rate of its own."""
    policy = {
        "version": 1,
        "accounts": ["demo", {"id": "vault", "rate": "20/h"}],
        "principals": [member.entry() for member in people],
    }
    service.write_policy_text(json.dumps(policy))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two gateways with the usual pauses between two looks at the policy and at Redis."""
    settings = {"NGW_POLICY_RELOAD_S": "", "NGW_SWITCH_POLL_S": "", **UNBOUNDED}
    with (
        running_service(tmp_path_factory, people=PEOPLE, settings=settings) as one,
        closing(one.replica()) as other,
    ):
        write_policy(one)
        other.start()
        yield one, other


@pytest.fixture
def replicas(running: Replicas) -> Iterator[Replicas]:
    """Both, with everybody's rights as they are written above before the test and after it."""
    yield running
    one, _ = running
    write_policy(one)
    operator = one.caller("operator")
    operator.answer(SET, state="ACTIVE", account="demo", reason=WHY)
    operator.answer(RESTORE, principal="trader", reason=WHY)
    assert eventually(lambda: all(map(has_every_grant, running)))
    one.exchange.sweep()


def has_every_grant(service: Service) -> bool:
    """Whether the trader may call, and do all that is written above."""
    body = service.caller().post("{ viewer { grants { id } } }").json()
    return "errors" not in body and len(body["data"]["viewer"]["grants"]) == len(PEOPLE[0].grants)


def outcome(body: Json) -> str:
    """The code of an answer; OK when it has none."""
    if "errors" in body:
        return str(body["errors"][0]["extensions"]["code"])
    results = [each for each in body["data"].values() if isinstance(each, dict)]
    return next((str(each["code"]) for each in results if "code" in each), "OK")


@dataclass(frozen=True)
class Asked:
    """One call: when it began, at which replica, and what came of it."""

    begun: float
    replica: int
    outcome: str


Ask: TypeAlias = Callable[[Service, int], Json]


@contextmanager
def asking(replicas: Replicas, ask: Ask) -> Iterator[list[Asked]]:
    """Ask both replicas all the time until the block ends."""

    def call(number: int) -> Asked:
        replica, begun = number % 2, time.monotonic()
        return Asked(begun, replica, outcome(ask(replicas[replica], number)))

    with repeated(call, 2) as asked:
        assert eventually(lambda: {(0, "OK"), (1, "OK")} <= set(rows(asked)))
        yield asked


def rows(asked: Sequence[Asked], since: float = 0.0) -> list[tuple[int, str]]:
    """Of the calls begun after a moment: which replica said what."""
    return [(each.replica, each.outcome) for each in asked if each.begun > since]


def wait_for_both(asked: list[Asked], since: float) -> set[tuple[int, str]]:
    """What both replicas said to what was asked after a moment, ten times each at least."""

    def enough() -> bool:
        later = [replica for replica, _ in rows(asked, since)]
        return min(later.count(0), later.count(1)) >= 10

    assert eventually(enough)
    return set(rows(asked, since))


def tickers(service: Service, _number: int) -> Json:
    """Ask for public data, which is answered out of memory."""
    return service.caller().post(TICKER).json()


def orders(service: Service, number: int) -> Json:
    """Place an order at a price of its own."""
    document, caller = operation("place-limit-order"), service.caller()
    order = {
        "account": "demo",
        "clientOrderId": f"both-{service.port}-{number}-{time.monotonic_ns()}",
        "symbol": "BTCTRY",
        "side": "BUY",
        "price": str(300_000 + number),
        "quantity": "0.001",
    }
    return caller.post(document, **order).json()


def test_a_rate_is_one_however_the_replicas_race_for_it(replicas: Replicas) -> None:
    callers = [each.caller("racer") for each in replicas]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: callers[number % 2].post(TICKER), range(120))
        told = [outcome(answer.json()) for answer in answers]
    # Two permits may have been taken ahead by each and not been asked for in time.
    assert 36 <= told.count("OK") <= 40
    assert told.count("OK") + told.count("RATE_LIMITED") == len(told)


def test_the_calls_of_an_account_are_counted_over_replicas_and_callers(
    replicas: Replicas,
) -> None:
    one, other = replicas
    order_id = accepted(one.caller("vault-trader"), "vault-kept", account="vault")
    callers = (one.caller("vault-reader"), other.caller("vault-trader"))
    told = [outcome(callers[n % 2].post(VAULT).json()) for n in range(30)]
    # Each is one call, and so was the order.
    assert 10 < told.count("OK") <= 15
    assert set(told[-4:]) == {"RATE_LIMITED"}
    document = operation("cancel-order")
    cancelled = other.caller("vault-trader").answer(
        document, account="vault", orderId=order_id["order"]["orderId"]
    )
    assert cancelled["cancelOrder"]["__typename"] == "OrderCancelled"


def test_the_orders_of_a_grant_are_counted_over_both(replicas: Replicas) -> None:
    callers = [each.caller("orderly") for each in replicas]
    placed = [place(callers[n % 2], f"orderly-{n}", price="300001") for n in range(12)]
    codes = [each.get("code", "OK") for each in placed]
    assert codes == ["OK"] * 4 + ["RATE_LIMITED"] * 8
    assert len(replicas[0].exchange.requests("market/limit-buy", price="300001")) == 4


def test_what_a_killed_replica_spent_of_a_day_is_spent(replicas: Replicas) -> None:
    one, other = replicas
    accepted(other.caller("daily"), "daily-0", price="300002")
    accepted(one.caller("daily"), "daily-1", price="300002")
    other.signal(signal.SIGKILL)
    other.exit_code()
    accepted(one.caller("daily"), "daily-2", price="300002")
    other.start()
    accepted(other.caller("daily"), "daily-3", price="300002")
    accepted(other.caller("daily"), "daily-4", price="300002")
    for each in replicas:
        assert place(each.caller("daily"), "daily-5", price="300002")["code"] == "OVER_LIMIT"
    assert len(one.exchange.requests("market/limit-buy", price="300002")) == 5


def test_an_order_that_both_are_asked_for_at_once_goes_out_once(replicas: Replicas) -> None:
    callers = [each.caller() for each in replicas]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: place(callers[n % 2], "twice", price="300003"), range(8)))
    assert len(replicas[0].exchange.requests("market/limit-buy", price="300003")) == 1
    assert {each["placement"]["id"] for each in told} == {told[0]["placement"]["id"]}


def test_a_switch_set_at_one_holds_for_what_either_is_asked_from_then_on(
    replicas: Replicas,
) -> None:
    with asking(replicas, orders) as asked:
        for setter in (*replicas, *replicas):
            for state, told in (("CANCEL_ONLY", "TRADING_HALTED"), ("ACTIVE", "OK")):
                setter.caller("operator").answer(SET, state=state, account="demo", reason=WHY)
                assert wait_for_both(asked, time.monotonic()) == {(0, told), (1, told)}


def test_a_suspension_at_one_holds_at_both_within_a_second(replicas: Replicas) -> None:
    one, other = replicas
    token = one.members["trader"].token
    with (
        asking(replicas, tickers) as asked,
        open_socket(one.ws_url, token) as here,
        open_socket(other.ws_url, token) as there,
    ):
        one.caller("operator").answer(SUSPEND, principal="trader", reason=WHY)
        since = time.monotonic() + HOLDS_AFTER_S
        told = wait_for_both(asked, since)
        assert told == {(0, "UNAUTHENTICATED"), (1, "UNAUTHENTICATED")}
        assert [here.closed(), there.closed()] == [4403, 4403]


def test_a_token_taken_out_of_the_policy_is_good_at_neither_within_a_second(
    replicas: Replicas,
) -> None:
    one, other = replicas
    token = one.members["trader"].token
    with (
        asking(replicas, tickers) as asked,
        open_socket(one.ws_url, token) as here,
        open_socket(other.ws_url, token) as there,
    ):
        write_policy(one, [member for member in PEOPLE if member.name != "trader"])
        told = wait_for_both(asked, time.monotonic() + HOLDS_AFTER_S)
        assert told == {(0, "UNAUTHENTICATED"), (1, "UNAUTHENTICATED")}
        assert [here.closed(), there.closed()] == [4403, 4403]


def test_a_grant_taken_out_of_the_policy_is_of_no_use_at_either_within_a_second(
    replicas: Replicas,
) -> None:
    without = [Bounded("trader", (MARKET, READ)), *PEOPLE[1:]]
    with asking(replicas, orders) as asked:
        write_policy(replicas[0], without)
        told = wait_for_both(asked, time.monotonic() + HOLDS_AFTER_S)
        assert told == {(0, "FORBIDDEN"), (1, "FORBIDDEN")}


def test_a_subscription_ends_at_either_when_its_grant_is_taken_away(replicas: Replicas) -> None:
    token = replicas[0].members["trader"].token
    with (
        open_socket(replicas[0].ws_url, token) as here,
        open_socket(replicas[1].ws_url, token) as there,
    ):
        for socket in (here, there):
            socket.subscribe(operation("watch-balances"), account="demo")
            socket.next()
        write_policy(replicas[0], [Bounded("trader", (MARKET,)), *PEOPLE[1:]])
        # To who has no grant on an account, it is unknown.
        assert [here.error_code(), there.error_code()] == ["UNKNOWN_ACCOUNT"] * 2


def test_a_429_that_one_met_keeps_both_from_asking_for_a_while(replicas: Replicas) -> None:
    exchange, refused = replicas[0].exchange, {(0, "RATE_LIMITED"), (1, "RATE_LIMITED")}
    with asking(replicas, orders) as asked:
        with exchange.fault("market/limit-buy", outcome="too-many-requests", count=1):
            assert eventually(lambda: refused <= set(rows(asked)))
        assert eventually(lambda: all(each.problems() == {} for each in replicas))
        assert wait_for_both(asked, time.monotonic()) == {(0, "OK"), (1, "OK")}


def test_the_audit_of_both_is_whole_and_verifies_together(replicas: Replicas) -> None:
    one, other = replicas
    order_id = accepted(one.caller(), "audited-by-both")["order"]["orderId"]
    cancel(other.caller(), order_id)
    other.signal(signal.SIGKILL)
    other.exit_code()
    other.start()
    accepted(other.caller(), "audited-after-the-kill")
    logs = [str(each.log) for each in replicas]
    words = ["audit", "verify", *(word for log in logs for word in ("--file", log, "--log", log))]
    env = {"NGW_STATE_REDIS_URL": one.valkey.url}

    def whole() -> bool:
        return run(*words, env=env).status == 0

    assert eventually(whole), run(*words, env=env).printed
    assert len(writers(one)) >= 3


def writers(service: Service) -> set[str]:
    """Who wrote to the audit log."""
    page = service.caller("operator").answer(operation("audit-log"), first=200)["auditLog"]
    return {edge["node"]["writer"] for edge in page["edges"]}
