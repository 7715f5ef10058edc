"""Whether orders were lost or doubled: what the gateway says against what the exchange did.

It shares no code with the gateway, and takes no word of it for granted: which request carried which
order is told by the digest of what was signed, which the exchange computes itself.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.faults.evidence import Evidence, Row

NOTHING_STANDS = frozenset({"DENIED", "NOT_SENT", "REJECTED", "NOT_PLACED"})
OPEN_QUESTIONS = frozenset({"SENDING", "UNKNOWN", "IN_DOUBT"})
STEPS = {
    "SENDING": {"ACCEPTED", "REJECTED", "NOT_SENT", "UNKNOWN"},
    "UNKNOWN": {"ACCEPTED", "REJECTED", "NOT_PLACED", "IN_DOUBT"},
    "IN_DOUBT": {"ACCEPTED", "NOT_PLACED"},
    "NOT_PLACED": {"ACCEPTED"},
}
_DONE = "00000"
_DAY_MS = 86_400_000
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(frozen=True)
class Report:
    """`violations` are sentences; `late` counts orders that stood after NOT_PLACED was said.

    `resolution_ms`: how long each outcome that was unknown stayed so.
    """

    violations: tuple[str, ...]
    states: Mapping[str, int]
    requests: int
    late: int
    resolution_ms: tuple[int, ...]

    @property
    def in_doubt_share(self) -> float:
        """Of all placements, those that are a person's to judge."""
        return self.states.get("IN_DOUBT", 0) / max(1, sum(self.states.values()))

    def __str__(self) -> str:
        """All of it, for people."""
        times = sorted(self.resolution_ms)
        middle, worst = (times[len(times) // 2], times[-1]) if times else (0, 0)
        states = ", ".join(f"{state} {count}" for state, count in sorted(self.states.items()))
        return "\n".join(
            (
                f"placements: {sum(self.states.values())} ({states})",
                f"order requests on the wire: {self.requests}",
                f"IN_DOUBT: {self.in_doubt_share:.3%}; late orders: {self.late}",
                f"unknown outcomes resolved: {len(times)}; median {middle} ms, longest {worst} ms",
                f"violations: {len(self.violations)}",
                *self.violations,
            )
        )


def judge(evidence: Evidence, *, clocks_apart_ms: int = 0) -> Report:
    """Hold everything against everything, when nothing is under way any more.

    `clocks_apart_ms`: how far ahead of the exchange's clock a gateway's may be.
    """
    case = _Case(evidence, clocks_apart_ms)
    rules: tuple[Callable[[_Case], Iterator[str]], ...] = (
        _once_each, _recorded_before, _true_verdicts, _true_orders, _claimed_once,
        _ended, _whole_events, _conserved_claims, _conserved_notional,
    )  # fmt: skip
    histories = _histories(evidence)
    return Report(
        violations=tuple(problem for rule in rules for problem in rule(case)),
        states=Counter(record["state"] for record in evidence.records),
        requests=len(evidence.requests),
        late=sum(_came_late(history) for history in histories.values()),
        resolution_ms=tuple(
            after - before
            for history in histories.values()
            for (state, before), (_, after) in itertools.pairwise(history)
            if state == "UNKNOWN"
        ),
    )


@dataclass(frozen=True)
class _Case:
    """The evidence, and what joins it: requests and audit entries by account and digest.

    Two accounts may sign the same text at the same moment.
    """

    evidence: Evidence
    clocks_apart_ms: int
    requests: dict[tuple[str, str], list[Row]] = field(init=False)
    sending: dict[tuple[str, str], Row] = field(init=False)

    def __post_init__(self) -> None:
        requests: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.evidence.requests:
            requests[row["account"], row["digest"]].append(row)
        sending = {
            (entry["account"], entry["detail"]["digest"]): entry
            for entry in self.evidence.entries
            if entry["kind"] == "ORDER" and entry["outcome"] == "SENDING"
        }
        object.__setattr__(self, "requests", requests)
        object.__setattr__(self, "sending", sending)

    def executed(self, record: Row) -> list[Row]:
        """The requests that placed this record's order."""
        rows = self.requests.get(_request_of(record), ())
        return [row for row in rows if row["executed"] == _DONE]


def _once_each(case: _Case) -> Iterator[str]:
    """For a client order id at most one request was ever on the wire."""
    sent: Counter[tuple[str, str, str]] = Counter()
    for request, rows in case.requests.items():
        entry = case.sending.get(request)
        if entry is not None:
            name = (entry["principal"], entry["account"], entry["detail"]["clientOrderId"])
            sent[name] += len(rows)
    for name, count in sent.items():
        if count > 1:
            yield f"{name} was sent {count} times"


def _recorded_before(case: _Case) -> Iterator[str]:
    """What was on the wire has a record, and an audit entry from before."""
    recorded = {_request_of(record) for record in case.evidence.records}
    for request, rows in case.requests.items():
        if request not in recorded:
            yield f"an order was sent without a record: {_shown(rows[0])}"
        entry = case.sending.get(request)
        if entry is None or entry["time"] > rows[0]["time"] + case.clocks_apart_ms:
            yield f"an order was sent before it was on the audit log: {_shown(rows[0])}"


def _true_verdicts(case: _Case) -> Iterator[str]:
    """Where nothing is said to stand, nothing was executed; where an order is, one was."""
    for record in case.evidence.records:
        executed, state = len(case.executed(record)), record["state"]
        if state in NOTHING_STANDS and executed:
            yield f"{_name(record)} is {state}, and the exchange executed it"
        if state == "ACCEPTED" and not executed:
            yield f"{_name(record)} is ACCEPTED, and the exchange never executed it"


def _true_orders(case: _Case) -> Iterator[str]:
    """The order that a record names is the one that its request placed, with equal terms."""
    for record in case.evidence.records:
        order = record["order"] or {}
        order_id = order.get("order_id")
        if record["state"] != "ACCEPTED" or order_id is None:
            continue
        placed = {row["orderId"] for row in case.executed(record)}
        if placed and order_id not in placed:
            yield f"{_name(record)} took the order {order_id}, which its request did not place"
        truth = case.evidence.orders.get(order_id)
        if truth is None or _terms_of_order(truth) != _terms_of_command(record["command"]):
            yield f"{_name(record)} took the order {order_id}, which has other terms"


def _claimed_once(case: _Case) -> Iterator[str]:
    """No order is two placements'."""
    claimed = Counter(
        record["order"]["order_id"]
        for record in case.evidence.records
        if record["state"] == "ACCEPTED" and record["order"]
    )
    for order_id, count in claimed.items():
        if order_id is not None and count > 1:
            yield f"the order {order_id} is claimed {count} times"


def _ended(case: _Case) -> Iterator[str]:
    """Nothing is left that nobody looks after."""
    for record in case.evidence.records:
        if record["state"] in ("RECEIVED", "SENDING", "UNKNOWN"):
            yield f"{_name(record)} is left {record['state']}"


def _whole_events(case: _Case) -> Iterator[str]:
    """An account's events count without a hole, and go the way that the states may."""
    for account, events in case.evidence.events.items():
        sequences = [sequence for sequence, _ in events]
        if sequences != list(range(sequences[0], sequences[0] + len(sequences))):
            yield f"the events of {account} have a hole"
    for name, history in _histories(case.evidence).items():
        states = [state for state, _ in history]
        for before, after in itertools.pairwise(states):
            if before != after and after not in STEPS.get(before, ()):
                yield f"{name} went from {before} to {after}"


def _conserved_claims(case: _Case) -> Iterator[str]:
    """A budget counts every placement that may stand, and none of which nothing does."""
    records = {record["id"]: record for record in case.evidence.records}
    for key, budget in case.evidence.budgets.items():
        for placement_id in budget["claims"]:
            record = records.get(placement_id)
            if record is None or record["state"] in NOTHING_STANDS:
                yield f"the budget {key} still counts {placement_id}, of which nothing stands"
    for record in records.values():
        claims = case.evidence.budgets.get(_budget_of(record), {}).get("claims", {})
        missing = record["claimed"] and record["id"] not in claims
        if missing and (record["state"] in OPEN_QUESTIONS or _rests(case, record)):
            yield f"{_name(record)} may stand, and its budget does not count it"


def _conserved_notional(case: _Case) -> Iterator[str]:
    """What a budget has spent today is what its placements that may stand are worth.

    Told of those whose worth their own terms tell: priced orders.
    """
    worth: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    market_orders = set()
    for record in case.evidence.records:
        spec, key = record["command"]["spec"], _budget_of(record)
        budget = case.evidence.budgets.get(key)
        if not record["claimed"] or budget is None or record["state"] in NOTHING_STANDS:
            continue
        if spec["price"] is None:
            market_orders.add(key)
        elif record["created_at"] // _DAY_MS == budget["day"]:
            worth[key] += Decimal(spec["price"]) * Decimal(spec["quantity"])
    for key, budget in case.evidence.budgets.items():
        spent = sum(map(Decimal, budget["spent"].values()), Decimal(0))
        if key not in market_orders and spent != worth[key]:
            yield f"the budget {key} has spent {spent}, and its orders are worth {worth[key]}"


def _rests(case: _Case, record: Row) -> bool:
    """Whether it is an order that is open on the exchange."""
    order_id = (record["order"] or {}).get("order_id")
    truth = None if order_id is None else case.evidence.orders.get(order_id)
    return record["state"] == "ACCEPTED" and truth is not None and truth["status"] in _OPEN


def _histories(evidence: Evidence) -> dict[str, list[tuple[str, int]]]:
    """The states of each placement as the events of its account tell them, with their times."""
    histories: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for events in evidence.events.values():
        for _, event in events:
            placement = _placement_in(event)
            if placement is not None:
                told = (placement["state"], int(placement["updated_at"]))
                histories[placement["id"]].append(told)
    return histories


def _placement_in(event: Any) -> Row | None:  # noqa: ANN401 - an event is whatever was written
    if not isinstance(event, Mapping):
        return None
    if {"state", "digest", "command"} <= event.keys():
        return event
    return next((found for value in event.values() if (found := _placement_in(value))), None)


def _came_late(history: Sequence[tuple[str, int]]) -> bool:
    states = [state for state, _ in history]
    return "NOT_PLACED" in states and states[-1] == "ACCEPTED"


def _request_of(record: Row) -> tuple[str, str]:
    return record["command"]["account"], record["digest"]


def _budget_of(record: Row) -> tuple[str, str, str]:
    return record["command"]["account"], record["principal"], record["rule"]


def _terms_of_command(command: Row) -> tuple[object, ...]:
    spec = command["spec"]
    terms = (spec["price"], spec["quantity"], spec["stop_price"])
    return command["symbol"], command["side"], *map(_number, terms)


def _terms_of_order(order: Row) -> tuple[object, ...]:
    terms = (order["price"], order["amount"], order["target"])
    return order["market"], order["side"], *map(_number, terms)


def _number(value: object) -> Decimal:
    return Decimal(str(value or 0))


def _name(record: Row) -> str:
    command = record["command"]
    return f"{record['principal']}'s {command['client_order_id']} on {command['account']}"


def _shown(row: Row) -> str:
    return f"{row['account']} {row['path']} {dict(row['parameters'])} ({row['executed']})"
