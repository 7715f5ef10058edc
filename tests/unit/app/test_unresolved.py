from dataclasses import replace

from gateway.app.unresolved import Unresolved
from gateway.domain.placements import Placement, PlacementState
from tests.unit.store.examples import placement

SENDING, UNKNOWN, IN_DOUBT = (
    PlacementState.SENDING,
    PlacementState.UNKNOWN,
    PlacementState.IN_DOUBT,
)
NOW_MS = 100_000


def unresolved() -> Unresolved:
    return Unresolved(lambda: NOW_MS)


def of(account: str, *states: PlacementState) -> list[Placement]:
    return [replace(placement(account=account), state=state) for state in states]


def test_placements_are_counted_over_all_accounts_by_state() -> None:
    found = unresolved()
    found.take("demo", of("demo", SENDING, UNKNOWN, UNKNOWN))
    found.take("vault", of("vault", UNKNOWN))
    assert [found.count(each) for each in (SENDING, UNKNOWN, IN_DOUBT)] == [1, 3, 0]


def test_a_newer_look_takes_the_place_of_the_one_before() -> None:
    found = unresolved()
    found.take("demo", of("demo", UNKNOWN, UNKNOWN))
    found.take("demo", of("demo", UNKNOWN))
    assert found.count(UNKNOWN) == 1
    found.take("demo", ())
    assert found.count(UNKNOWN) == 0


def test_the_age_of_a_state_is_that_of_its_oldest_placement() -> None:
    found = unresolved()
    [young], [old], [other] = of("demo", SENDING), of("vault", SENDING), of("vault", UNKNOWN)
    found.take("demo", [replace(young, created_at=NOW_MS - 1_000)])
    found.take("vault", [replace(old, created_at=NOW_MS - 70_500), other])
    assert [found.age(each) for each in (SENDING, UNKNOWN, IN_DOUBT)] == [70.5, 99.0, 0.0]


def test_a_placement_made_by_a_clock_that_is_ahead_has_no_age() -> None:
    found = unresolved()
    found.take("demo", [replace(placement(), created_at=NOW_MS + 1)])
    assert found.age(SENDING) == 0


def test_only_orders_in_doubt_are_a_problem_and_their_accounts_are_named() -> None:
    found = unresolved()
    found.take("demo", of("demo", SENDING, UNKNOWN))
    assert found.problem is None
    found.take("vault", of("vault", IN_DOUBT, IN_DOUBT))
    found.take("demo", of("demo", IN_DOUBT))
    problem = "orders in doubt wait for a person's judgement on demo (1), vault (2)"
    assert found.problem == problem
