from random import Random
from typing import Any

import pytest

from gateway.sandbox.faults import NO_FAULT, Fault, FaultMethod, Faults, Outcome

PING = "v3/api/ping"
OUTAGE = Fault(PING, outcome=Outcome.HTML_502, count=2)
SLOW = Fault(delay_ms=5)


@pytest.fixture
def faults() -> Faults:
    return Faults(Random(1))


def outcomes(faults: Faults, *requests: tuple[str, str | None]) -> list[Outcome | None]:
    return [faults.take("GET", *request).outcome for request in requests]


def test_without_a_fault_nothing_goes_wrong(faults: Faults) -> None:
    assert faults.take("GET", PING, None) == NO_FAULT


def test_a_fault_hits_its_endpoint_as_often_as_it_counts(faults: Faults) -> None:
    faults.add(OUTAGE)
    asked = [("v3/api/time", None), *[(PING, None)] * 3]
    assert outcomes(faults, *asked) == [None, Outcome.HTML_502, Outcome.HTML_502, None]


def test_a_fault_without_a_count_lasts_until_it_is_cleared(faults: Faults) -> None:
    faults.add(SLOW)
    assert [faults.take("GET", "anything", None) for _ in range(5)] == [SLOW] * 5
    faults.clear()
    assert faults.take("GET", "anything", None) == NO_FAULT


def test_the_oldest_fault_that_fits_comes_first(faults: Faults) -> None:
    faults.add(OUTAGE)
    faults.add(SLOW)
    assert outcomes(faults, *[(PING, None)] * 3) == [Outcome.HTML_502, Outcome.HTML_502, None]


def test_a_fault_of_an_account_leaves_the_others_alone(faults: Faults) -> None:
    faults.add(Fault(account="ann", outcome=Outcome.DROP_BEFORE))
    asked = (PING, None), (PING, "bob"), (PING, "ann")
    assert outcomes(faults, *asked) == [None, None, Outcome.DROP_BEFORE]


def test_a_fault_of_a_verb_leaves_the_other_alone(faults: Faults) -> None:
    faults.add(Fault(method=FaultMethod.POST, outcome=Outcome.DROP_BEFORE))
    assert faults.take("GET", PING, None) == NO_FAULT
    assert faults.take("POST", PING, None).outcome is Outcome.DROP_BEFORE


def test_a_fault_is_taken_back_by_its_number_and_the_others_stay(faults: Faults) -> None:
    first, second = faults.add(OUTAGE), faults.add(SLOW)
    faults.remove(first)
    faults.remove(first)
    assert list(faults) == [(second, SLOW)]


def test_a_fault_that_is_left_to_chance_hits_as_often_as_its_seed_says(faults: Faults) -> None:
    faults.add(Fault(outcome=Outcome.DROP_BEFORE, probability=0.25))
    again = Faults(Random(1))
    again.add(Fault(outcome=Outcome.DROP_BEFORE, probability=0.25))
    asked = [(PING, None)] * 400
    hits = outcomes(faults, *asked)
    assert 70 < hits.count(Outcome.DROP_BEFORE) < 130
    assert outcomes(again, *asked) == hits


def test_a_miss_by_chance_uses_nothing_up_and_lets_the_next_fault_hit() -> None:
    unlucky = Faults(Random(1))
    unlucky.add(Fault(outcome=Outcome.DROP_BEFORE, probability=1e-9, count=1))
    unlucky.add(OUTAGE)
    assert outcomes(unlucky, (PING, None)) == [Outcome.HTML_502]
    assert len(list(unlucky)) == 2


@pytest.mark.parametrize(
    "members",
    [
        {"code": "10031"},
        {"outcome": Outcome.DROP_AFTER, "code": "10031"},
        {"outcome": Outcome.CODE_AFTER, "late_ms": 5},
        {"outcome": Outcome.CODE_AFTER, "executes": True},
        {"outcome": Outcome.HTML_502, "status": 503},
        {"outcome": Outcome.HTML_502, "body": "{}"},
        {"outcome": Outcome.TRUNCATED, "media_type": "text/html"},
        {"outcome": Outcome.REPLY, "body": "{}", "filler": 5},
        {"outcome": Outcome.REPLY, "body": "{}", "status": 204},
        {"outcome": Outcome.REPLY, "body": "{}", "status": 304},
    ],
)
def test_what_an_outcome_would_not_heed_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"belongs to|where the filler goes|has no body"):
        Fault(**members)
