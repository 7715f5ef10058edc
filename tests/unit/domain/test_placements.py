from dataclasses import replace

import pytest

from gateway.domain.placements import FOLLOWING, NOTHING_STANDS, PlacementState
from tests.unit.domain.resolution_cases import intent

S = PlacementState


@pytest.mark.parametrize("state", PlacementState)
def test_a_new_id_is_safe_exactly_where_nothing_stands(state: PlacementState) -> None:
    safe = {S.DENIED, S.NOT_SENT, S.REJECTED, S.NOT_PLACED}
    assert replace(intent(), state=state).new_id_safe is (state in safe)


@pytest.mark.parametrize("state", PlacementState)
def test_a_placement_is_unresolved_while_something_of_it_may_stand(state: PlacementState) -> None:
    maybe = {S.SENDING, S.UNKNOWN, S.IN_DOUBT}
    assert replace(intent(), state=state).unresolved is (state in maybe)


def test_every_state_has_its_followers_and_none_leads_back() -> None:
    assert set(FOLLOWING) == set(S)
    for state in S:
        reached, open_states = set[PlacementState](), set(FOLLOWING[state])
        while open_states:
            reached |= (now := {open_states.pop()})
            open_states |= FOLLOWING[min(now)] - reached
        assert state not in reached


def test_what_stands_never_comes_undone() -> None:
    assert not FOLLOWING[S.ACCEPTED]


def test_whatever_was_said_to_be_nothing_can_only_turn_out_to_be_there() -> None:
    for state in NOTHING_STANDS:
        assert FOLLOWING[state] <= {S.ACCEPTED}
