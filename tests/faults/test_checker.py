"""The checker finds what is wrong, and finds nothing where all is well."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.faults.checker import judge
from tests.faults.evidence import Evidence, Row

BUDGET = ("demo", "app", "grant")


def request(number: int, **changes: object) -> Row:
    """An order on the wire that was executed."""
    row = {"digest": f"d{number}", "executed": "00000", "orderId": f"o{number}", "time": 20}
    shown = {"account": "demo", "path": "v3/api/market/limit-buy", "parameters": {}}
    return row | shown | changes


def truth(number: int, **changes: object) -> Row:
    """An order as the exchange has it."""
    terms = {"market": "BTCTRY", "side": "BUY", "price": 5, "amount": Decimal(2), "target": 0}
    return {"orderId": f"o{number}", "status": "NEW"} | terms | changes


def record(number: int, **changes: object) -> Row:
    """A placement that was accepted."""
    spec = {"type": "LIMIT", "price": "5.0", "quantity": "2", "stop_price": None}
    command = {"account": "demo", "client_order_id": f"c{number}", "symbol": "BTCTRY"}
    return {
        "id": f"p{number}",
        "principal": "app",
        "rule": "grant",
        "command": {**command, "side": "BUY", "spec": spec},
        "state": "ACCEPTED",
        "digest": f"d{number}",
        "claimed": True,
        "order": {"order_id": f"o{number}"},
        "created_at": 10,
        "updated_at": 30,
    } | changes


def entry(number: int, **changes: object) -> Row:
    """What the audit log says before an order goes out."""
    detail = {"digest": f"d{number}", "clientOrderId": f"c{number}"}
    named = {"kind": "ORDER", "principal": "app", "account": "demo"}
    return {**named, "outcome": "SENDING", "time": 15, "detail": detail} | changes


def told(number: int, state: str, time: int) -> Row:
    """An event of the account."""
    return {"event": {"placement": record(number, state=state, updated_at=time)}}


def budget(spent: str, *claims: str) -> Row:
    return {"day": 0, "spent": {"TRY": spent}, "claims": {claim: {} for claim in claims}}


WELL = Evidence(
    requests=[request(1), request(2, executed=None, orderId=None)],
    orders={"o1": truth(1)},
    records=[record(1), record(2, state="NOT_PLACED", order=None)],
    events={
        "demo": [
            (7, told(1, "SENDING", 10)),
            (8, told(1, "ACCEPTED", 11)),
            (9, told(2, "SENDING", 10)),
            (10, told(2, "UNKNOWN", 50)),
            (11, told(2, "NOT_PLACED", 90)),
        ]
    },
    budgets={BUDGET: budget("10", "p1")},
    entries=[entry(1), entry(2)],
)


def test_nothing_is_wrong_where_all_is_well_and_the_figures_are_told() -> None:
    report = judge(WELL)
    assert report.violations == ()
    assert report.states == {"ACCEPTED": 1, "NOT_PLACED": 1}
    assert (report.requests, report.late, report.resolution_ms) == (2, 0, (40,))
    assert "IN_DOUBT: 0.000%" in str(report)


def with_record(number: int, **changes: object) -> Evidence:
    records = list(WELL.records)
    records[number - 1] = record(number, **changes)
    return replace(WELL, records=records)


def with_request(number: int, **changes: object) -> Evidence:
    requests = list(WELL.requests)
    requests[number - 1] = request(number, **changes)
    return replace(WELL, requests=requests)


def but(**changes: Any) -> Evidence:  # noqa: ANN401 - fields of the evidence
    return replace(WELL, **changes)


WRONG: dict[str, tuple[Callable[[], Evidence], str]] = {
    "sent twice": (lambda: but(requests=[*WELL.requests, request(1)]), "was sent 2 times"),
    "sent anew under another digest": (
        lambda: but(
            requests=[*WELL.requests, request(3)],
            entries=[*WELL.entries, entry(3, detail={"digest": "d3", "clientOrderId": "c1"})],
        ),
        "was sent 2 times",
    ),
    "no record": (lambda: but(records=WELL.records[:1]), "sent without a record"),
    "no audit entry": (lambda: but(entries=WELL.entries[:1]), "before it was on the audit log"),
    "audited afterwards": (
        lambda: but(entries=[entry(1, time=21), entry(2)]),
        "before it was on the audit log",
    ),
    "called refused": (
        lambda: with_record(1, state="REJECTED", order=None),
        "is REJECTED, and the exchange executed it",
    ),
    "called accepted": (
        lambda: with_record(2, state="ACCEPTED", order=None),
        "is ACCEPTED, and the exchange never executed it",
    ),
    "another's order": (lambda: with_request(1, orderId="o9"), "which its request did not place"),
    "other terms": (lambda: but(orders={"o1": truth(1, amount=3)}), "which has other terms"),
    "claimed by two": (
        lambda: with_record(2, state="ACCEPTED", order={"order_id": "o1"}),
        "is claimed 2 times",
    ),
    "left open": (lambda: with_record(2, state="UNKNOWN"), "is left UNKNOWN"),
    "a hole in the events": (
        lambda: but(events={"demo": [(1, told(1, "SENDING", 1)), (3, told(1, "ACCEPTED", 2))]}),
        "have a hole",
    ),
    "a step that is none": (
        lambda: but(events={"demo": [(1, told(1, "REJECTED", 1)), (2, told(1, "ACCEPTED", 2))]}),
        "went from REJECTED to ACCEPTED",
    ),
    "counted for nothing": (
        lambda: but(budgets={BUDGET: budget("10", "p1", "p2")}),
        "of which nothing stands",
    ),
    "not counted": (lambda: but(budgets={BUDGET: budget("10")}), "its budget does not count it"),
    "spent too much": (
        lambda: but(budgets={BUDGET: budget("20", "p1")}),
        "has spent 20, and its orders are worth 10",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    make, problem = WRONG[name]
    assert any(problem in violation for violation in judge(make()).violations)


def test_an_order_that_stood_after_it_was_given_up_counts_as_late() -> None:
    states = ("SENDING", "UNKNOWN", "NOT_PLACED", "ACCEPTED")
    events = [(at, told(1, state, at)) for at, state in enumerate(states, start=1)]
    report = judge(replace(WELL, events={"demo": events}))
    assert (report.late, report.violations) == (1, ())
