"""Rates over the wire: what is refused and when it is not any more, what answers show of it."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, open_socket
from tests.functional.conftest import FreshService, running_service
from tests.functional.ordering import CANCEL, accepted, cancel, command, open_orders, place
from tests.functional.service import MARKET, READ, TRADE, Member, Service
from tests.processes import eventually

PLACE = operation("place-limit-order")
TICKER = '{ market(symbol: "BTCTRY") { ticker { last stale } } }'
VIEWER = "{ viewer { limits { name limit remaining resetsAt } } }"

PLACING = """(input: {
  account: "demo", clientOrderId: "rates-mixed", symbol: "BTCTRY", side: BUY,
  order: {limit: {price: "1", quantity: "1"}}
}) { __typename }"""


@dataclass(frozen=True)
class Bounded(Member):
    """A principal with a rate of its requests, or of its orders on the account demo."""

    grants: tuple[tuple[str, ...], ...] = (MARKET, READ, TRADE)
    requests: str | None = None
    orders: str | None = None

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        entry = super().entry()
        if self.requests is not None:
            entry["rate"] = self.requests
        if self.orders is not None:
            entry["grants"][2]["limits"] = {"rate": self.orders}
        return entry


PEOPLE = (
    Bounded("free"),
    Bounded("other"),
    Bounded("shown", requests="1000/h"),
    Bounded("hourly", requests="10/h"),
    Bounded("secondly", requests="5/s"),
    Bounded("canceller", requests="10/h"),
    Bounded("mixer", requests="10/h"),
    Bounded("socket", requests="10/h"),
    Bounded("shared", requests="20/h"),
    Bounded("orderly", orders="2/h"),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway of whose callers some are bounded, 20 % of a rate being for cancels."""
    with running_service(tmp_path_factory, people=PEOPLE) as running:
        yield running


@pytest.fixture
def second(desk: Service) -> Iterator[Service]:
    """Another gateway on the same Redis and the same exchange."""
    with closing(desk.replica()) as other:
        other.start()
        yield other


def use_up(caller: Caller) -> int:
    """Ask until the caller is refused; give how often it was answered."""
    for asked in range(100):
        if caller.post("{ __typename }").status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return asked
    return 100


def limits(response: httpx.Response) -> dict[str, Json]:
    """What an answer shows of the caller's limits, by their names."""
    return {each["name"]: each for each in response.json()["extensions"]["limits"]}


def test_who_asks_too_often_is_told_when_to_come_back(desk: Service) -> None:
    caller = desk.caller("hourly")
    assert use_up(caller) == 8
    response = caller.post("{ __typename }")
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfter"] <= 3600
    assert 0 < int(response.headers["retry-after"]) <= 3600
    assert limits(response)["requests"]["remaining"] == "0"


def test_who_comes_back_when_told_is_answered(desk: Service) -> None:
    caller = desk.caller("secondly")
    use_up(caller)
    error = caller.error("{ __typename }")
    time.sleep(error["extensions"]["retryAfter"])
    assert caller.answer("{ __typename }") == {"__typename": "Query"}


def test_others_are_not_concerned(desk: Service) -> None:
    use_up(desk.caller("hourly"))
    assert desk.caller("free").answer("{ __typename }") == {"__typename": "Query"}


def test_every_answer_shows_what_is_left_kept_or_not(desk: Service) -> None:
    caller = desk.caller("shown")
    caller.post(TICKER)
    kept_before = desk.metric("gateway_answers_total", kept="yes")
    answers = [caller.post(TICKER) for _ in range(3)]
    assert desk.metric("gateway_answers_total", kept="yes") > kept_before
    left = [int(limits(answer)["requests"]["remaining"]) for answer in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2]
    for answer, remaining in zip(answers, left, strict=True):
        assert answer.headers["ratelimit-policy"] == '"requests";q=800;w=3600'
        assert answer.headers["ratelimit"] == f'"requests";r={remaining}'
    assert len({str(answer.json()["data"]) for answer in answers}) == 1


def test_the_viewer_sees_each_limit_that_holds(desk: Service) -> None:
    caller = desk.caller("orderly")
    response = caller.post(VIEWER)
    shown = {each["name"]: each for each in response.json()["data"]["viewer"]["limits"]}
    assert set(shown) == {"requests", "calls demo", "orders orderly-2"}
    assert shown["orders orderly-2"]["limit"] == "2"
    assert set(limits(response)) == set(shown)
    assert set(limits(caller.post("{ nonsense }"))) == set(shown)


def test_who_proves_nothing_is_shown_no_limits(desk: Service) -> None:
    response = Caller(desk.http, "ngw_unknown").post("{ __typename }")
    assert "extensions" not in response.json()
    assert "ratelimit" not in response.headers


def test_cancels_go_on_when_all_else_is_used_up(desk: Service) -> None:
    caller = desk.caller("canceller")
    order_id = accepted(caller, "rates-own")["order"]["orderId"]
    use_up(caller)
    assert caller.code(PLACE, **command("rates-not-sent")) == "RATE_LIMITED"
    assert cancel(caller, order_id)["__typename"] == "OrderCancelled"


def test_what_does_more_than_cancel_has_no_share_of_cancels(desk: Service) -> None:
    caller = desk.caller("mixer")
    use_up(caller)
    cancelling = 'cancelOrder(input: {account: "demo", orderId: "1"}) { __typename }'
    both = caller.post(f"mutation {{ {cancelling} placement: placeOrder {PLACING} }}")
    assert both.status_code == HTTPStatus.TOO_MANY_REQUESTS
    named = caller.post("query cancelOrder { __typename }")
    assert named.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert caller.post(f"mutation {{ {cancelling} }}").status_code == HTTPStatus.OK


def test_operations_over_a_socket_count_too_and_the_socket_stays(desk: Service) -> None:
    caller = desk.caller("socket")
    with open_socket(desk.ws_url, caller.token) as socket:
        socket.subscribe("{ __typename }", "first")
        answer = socket.receive()["payload"]
        assert answer["extensions"]["limits"][0]["remaining"] == "7"
        assert socket.receive()["type"] == "complete"
        use_up(caller)
        for number, document in enumerate(("{ __typename }", "subscription { __typename }")):
            socket.subscribe(document, str(number))
            error = socket.error(str(number))
            assert error["extensions"]["code"] == "RATE_LIMITED"
            assert error["extensions"]["retryAfter"] > 0
        socket.subscribe(CANCEL, "cancel", account="demo", orderId="1")
        assert socket.next("cancel")["cancelOrder"]["__typename"] == "CancelRejected"


def test_replicas_hold_a_rate_together(desk: Service, second: Service) -> None:
    token = desk.members["shared"].token
    callers = [Caller(desk.http, token), Caller(second.http, token)]
    answered = sum(
        callers[number % 2].post("{ __typename }").status_code == HTTPStatus.OK
        for number in range(40)
    )
    assert answered == 16


def test_orders_beyond_the_rate_of_their_grant_are_refused_and_not_sent(desk: Service) -> None:
    caller = desk.caller("orderly")
    order_ids = [accepted(caller, f"rates-{n}")["order"]["orderId"] for n in range(2)]
    refused = place(caller, "rates-refused")
    assert (refused["__typename"], refused["code"]) == ("OrderRejected", "RATE_LIMITED")
    assert list(open_orders(caller)) == order_ids
    for order_id in order_ids:
        cancel(caller, order_id)


def test_callers_share_the_calls_of_an_account(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_ACCOUNT_RATE="10/h")
    one, other = service.caller("trader"), service.caller("second-trader")
    order_id = accepted(one, "rates-shared")["order"]["orderId"]
    balances = '{ account(id: "demo") { balances { asset } } }'
    codes = [
        caller.post(balances).json().get("errors", [{}])[0].get("extensions", {}).get("code")
        for caller in (one, other) * 6
    ]
    assert codes[-1] == "RATE_LIMITED"
    assert codes.count(None) <= 8
    assert place(other, "rates-refused")["code"] == "RATE_LIMITED"
    assert cancel(one, order_id)["__typename"] == "OrderCancelled"


def test_without_redis_each_replica_holds_the_rate_for_itself(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_PRINCIPAL_RATE="20/h", NGW_REDIS_TIMEOUT_S="0.5")
    service.valkey.kill()
    assert use_up(service.caller("reader")) == 16
    assert service.metric("gateway_rates_local_total") > 0
    assert "rates" in service.problems()
    service.valkey.start()
    assert eventually(lambda: "rates" not in service.problems())
