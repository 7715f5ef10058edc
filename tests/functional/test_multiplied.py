"""Requests that do a thing many times over: each time counts against the limits."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.functional.callers import Caller, Json, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import BALANCES
from tests.functional.ordering import PLACE, accepted, command
from tests.functional.service import MARKET, READ, TRADE, Member, Service

MOST = 15
"""Aliases in a document at most."""


@dataclass(frozen=True)
class Limited(Member):
    """A principal whose orders on an account are limited."""

    grants: tuple[tuple[str, ...], ...] = (MARKET, READ, TRADE)
    limits: Mapping[str, Any] = field(default_factory=dict)
    requests: str = "600/min"

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        entry = super().entry()
        entry["rate"] = self.requests
        if self.limits:
            entry["grants"][2] |= {"limits": self.limits, "order_types": ["LIMIT"]}
        return entry


PEOPLE = (
    Limited("free"),
    Limited("few", limits={"rate": "3/h"}),
    Limited("few-by-socket", limits={"rate": "3/h"}),
    Limited("daily", limits={"day_notional": {"TRY": "1000"}}),
    Limited("open", limits={"open_orders": 2}),
    Limited("asks-little", requests="10/h"),
    Limited("on-vault", account="vault"),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway whose callers are limited."""
    with running_service(tmp_path_factory, people=PEOPLE) as running:
        yield running


def field_of(name: str, number: int, account: str = "demo") -> str:
    """An aliased order of 300 TRY, other than those of any other number."""
    return (
        f'p{number}: placeOrder(input: {{account: "{account}", '
        f'clientOrderId: "{name}-{number}", symbol: "BTCTRY", side: BUY, '
        'order: {limit: {price: "300000", quantity: "0.001"}}}) '
        "{ __typename ... on OrderRejected { code } }"
    )


def many(name: str, account: str = "demo") -> str:
    """A mutation that places as many orders as a document has room for."""
    return f"mutation {{ {' '.join(field_of(name, n, account) for n in range(MOST))} }}"


def outcomes(answer: Mapping[str, Json]) -> Counter[str]:
    """How often each came out."""
    return Counter(each.get("code", each["__typename"]) for each in answer.values())


def sent(desk: Service) -> int:
    """How many orders the exchange was ever sent."""
    return len(desk.exchange.requests("market/limit-buy"))


@pytest.mark.parametrize(
    ("name", "passed", "code"),
    [("few", 3, "RATE_LIMITED"), ("daily", 3, "OVER_LIMIT"), ("open", 2, "OVER_LIMIT")],
)
def test_each_order_of_a_document_counts_against_the_limits_of_its_grant(
    desk: Service, name: str, passed: int, code: str
) -> None:
    before = sent(desk)
    answer = desk.caller(name).answer(many(name))
    assert outcomes(answer) == {"OrderAccepted": passed, code: MOST - passed}
    assert sent(desk) == before + passed


def test_over_a_socket_each_order_counts_as_well(desk: Service) -> None:
    before = sent(desk)
    with open_socket(desk.ws_url, desk.members["few-by-socket"].token) as socket:
        socket.subscribe(many("few-by-socket"))
        assert outcomes(socket.next()) == {"OrderAccepted": 3, "RATE_LIMITED": MOST - 3}
    assert sent(desk) == before + 3


def test_each_order_of_a_document_is_a_call_for_its_account(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {"NGW_ACCOUNT_RATE": "10/h", "NGW_CANCEL_SHARE_PERCENT": "20"}
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as service:
        answer = service.caller("on-vault").answer(many("on-vault", "vault"))
        found = outcomes(answer)
        assert set(found) == {"OrderAccepted", "RATE_LIMITED"}
        # The gateway's own reads of the account count too.
        assert 0 < found["OrderAccepted"] <= 8
        assert len(service.exchange.orders("vault")) == found["OrderAccepted"]


def test_each_signed_read_of_a_document_is_a_call_for_its_account(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {"NGW_ACCOUNT_RATE": "10/h"}
    reads = [
        f'{kind}Options(asset: "{asset}") {{ __typename }}'
        for kind in ("deposit", "withdrawal")
        for asset in BALANCES
    ]
    fields = " ".join(
        f'r{number}: account(id: "demo") {{ {read} }}' for number, read in enumerate(reads[:MOST])
    )
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as service:
        body = service.caller("free").post(f"{{ {fields} }}").json()
        codes = [error["extensions"]["code"] for error in body["errors"]]
        asked = [
            request
            for kind in ("deposit", "withdrawal")
            for request in service.exchange.requests(f"balance/{kind}")
        ]
        assert 0 < len(asked) <= 8
        assert codes == ["RATE_LIMITED"] * (MOST - len(asked))


@pytest.mark.parametrize("over", ["fragments", "aliases"])
def test_no_document_has_more_orders_than_aliases_are_allowed(desk: Service, over: str) -> None:
    before = sent(desk)
    fields = [field_of(over, number) for number in range(MOST + 1)]
    if over == "aliases":
        document = f"mutation {{ {' '.join(fields)} }}"
    else:
        pieces = [f"fragment F{n} on Mutation {{ {text} }}" for n, text in enumerate(fields)]
        spread = " ".join(f"...F{n}" for n in range(len(fields)))
        document = f"mutation {{ {spread} }} {' '.join(pieces)}"
    assert desk.caller("free").code(document) == "TOO_COMPLEX"
    assert sent(desk) == before


def test_a_fragment_spread_many_times_is_one_order(desk: Service) -> None:
    before = sent(desk)
    fragment = f"fragment F on Mutation {{ {field_of('spread', 0)} }}"
    document = f"mutation {{ {'...F ' * MOST} }} {fragment}"
    answer = desk.caller("free").answer(document)
    assert outcomes(answer) == {"OrderAccepted": 1}
    assert sent(desk) == before + 1


def test_a_client_order_id_many_times_in_a_document_is_one_order(desk: Service) -> None:
    before = sent(desk)
    one = field_of("same", 0).partition(":")[2]
    document = f"mutation {{ {' '.join(f'p{n}: {one}' for n in range(MOST))} }}"
    assert outcomes(desk.caller("free").answer(document)) == {"OrderAccepted": MOST}
    assert sent(desk) == before + 1


def post(caller: Caller, body: object, **headers: str) -> int:
    """Send a body as it is; give the status."""
    response = caller.http.post(
        "/graphql",
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={**caller.headers, "Content-Type": "application/json", **headers},
    )
    return response.status_code


def test_a_batch_is_refused_whole_and_counts_as_a_request(desk: Service) -> None:
    before = sent(desk)
    caller = desk.caller("asks-little")
    batch = [{"query": PLACE, "variables": command(f"batch-{n}")} for n in range(3)]
    statuses = [post(caller, batch) for _ in range(12)]
    assert statuses == [400] * 8 + [429] * 4
    assert sent(desk) == before


def test_of_two_operations_in_a_body_the_named_one_alone_is_carried_out(desk: Service) -> None:
    before = sent(desk)
    one, other = (field_of("named", n) for n in range(2))
    document = f"mutation A {{ {one} }} mutation B {{ {other} }}"
    body = {"query": document, "operationName": "A"}
    caller = desk.caller("free")
    assert post(caller, body) == 200
    assert post(caller, {"query": document}) in (200, 400)
    assert sent(desk) == before + 1


def test_two_queries_in_one_body_are_one_at_most(desk: Service) -> None:
    before = sent(desk)
    one, other = (
        json.dumps({"query": PLACE, "variables": command(f"twice-{n}")})[1:-1] for n in range(2)
    )
    assert post(desk.caller("free"), f"{{{one}, {other}}}".encode()) in (200, 400)
    assert post(desk.caller("free"), f"{{{one}}}{{{other}}}".encode()) == 400
    assert sent(desk) <= before + 1


def test_a_cancel_beside_an_order_does_not_take_the_share_of_cancels(desk: Service) -> None:
    caller = desk.caller("free")
    order_id = accepted(caller, "beside")["order"]["orderId"]
    cancel = f'c: cancelOrder(input: {{account: "demo", orderId: "{order_id}"}}) {{ __typename }}'
    spender = desk.caller("asks-little")
    while post(spender, {"query": "{ __typename }"}) == 200:
        pass
    hidden = f"mutation {{ ...F }} fragment F on Mutation {{ {cancel} {field_of('hidden', 0)} }}"
    before = sent(desk)
    assert post(spender, {"query": hidden}) == 429
    assert sent(desk) == before
