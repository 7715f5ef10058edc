from dataclasses import replace

import pytest

from gateway.domain.orders import OrderStatus
from gateway.domain.placements import Placement, PlacementState, Rejection
from gateway.schema.order_types import (
    OrderAccepted,
    OrderPending,
    OrderRejected,
    place_order_result,
)
from gateway.schema.order_types import Placement as ShownPlacement
from tests.unit.store.examples import accepted, in_state, placement

S = PlacementState
REASON = Rejection(code="INSUFFICIENT_BALANCE", message="too little")


def in_doubt(state: PlacementState) -> Placement:
    return replace(in_state(placement(), state), evidence="as it was seen", resolve_by=60_000)


def test_what_the_exchange_has_is_accepted_as_it_showed_it() -> None:
    shown = place_order_result(accepted(placement(), "o-1"))
    assert isinstance(shown, OrderAccepted)
    assert (shown.order.order_id, shown.order.status) == ("o-1", OrderStatus.NEW)


def test_what_was_found_by_its_fills_alone_is_accepted_as_it_was_ordered() -> None:
    made = in_doubt(S.ACCEPTED)
    shown = place_order_result(made)
    assert isinstance(shown, OrderAccepted)
    assert (shown.order.order_id, shown.order.status) == (None, OrderStatus.CLOSED_UNKNOWN)
    assert shown.order.price == made.command.spec.price
    assert shown.order.quantity == made.command.spec.quantity
    assert shown.placement.evidence == "as it was seen"


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.IN_DOUBT])
def test_what_has_no_outcome_is_pending_though_something_is_known_of_it(
    state: PlacementState,
) -> None:
    order = accepted(placement()).order
    shown = place_order_result(replace(in_doubt(state), order=order, rejection=REASON))
    assert isinstance(shown, OrderPending)
    assert shown.placement.resolve_by == 60_000
    assert not shown.placement.new_id_safe


@pytest.mark.parametrize("state", [S.REJECTED, S.NOT_SENT, S.DENIED, S.NOT_PLACED])
def test_what_does_not_stand_is_rejected_for_its_reason(state: PlacementState) -> None:
    shown = place_order_result(replace(in_doubt(state), rejection=REASON))
    assert isinstance(shown, OrderRejected)
    assert (shown.code, shown.message) == (REASON.code, REASON.message)


def test_what_was_found_not_to_stand_says_how_that_is_known_and_how_to_go_on() -> None:
    shown = place_order_result(in_doubt(S.NOT_PLACED))
    assert isinstance(shown, OrderRejected)
    assert (shown.code, shown.retryable) == ("NOT_PLACED", True)
    assert shown.message == "as it was seen; to try again, take a new clientOrderId"


@pytest.mark.parametrize("state", PlacementState)
def test_by_when_an_outcome_is_known_is_told_only_while_it_is_not(state: PlacementState) -> None:
    shown = ShownPlacement.of(in_doubt(state))
    awaited = state in (S.SENDING, S.UNKNOWN, S.IN_DOUBT)
    assert shown.resolve_by == (60_000 if awaited else None)


def test_a_placement_names_who_asked_for_it_and_who_decided_it() -> None:
    shown = ShownPlacement.of(replace(in_doubt(S.NOT_PLACED), resolved_by="keeper"))
    assert (shown.principal, shown.resolved_by) == ("demo-app", "keeper")
    assert ShownPlacement.of(placement()).resolved_by is None
