from dataclasses import replace

from gateway.domain.placements import Baseline
from gateway.services import recent_placements
from gateway.services.recent_placements import RecentPlacements
from tests.unit.store.examples import accepted, placement


def test_an_accepted_placement_is_found_by_its_order_and_account_alone() -> None:
    recent = RecentPlacements()
    placed = accepted(placement(), "o-1")
    recent.add(placed)
    recent.add(placement(2))
    assert recent.find("demo", "o-1") == placed
    assert recent.find("other", "o-1") is None
    assert recent.find("demo", "o-2") is None


def test_what_stood_before_an_order_is_not_kept_with_it() -> None:
    recent = RecentPlacements()
    before = Baseline(taken_at=1, stream_since=None, orders=(), fills=(), totals={})
    recent.add(replace(accepted(placement(), "o-1"), baseline=before))
    assert recent.find("demo", "o-1") == accepted(placement(), "o-1")


def test_the_oldest_give_way() -> None:
    recent = RecentPlacements()
    order = accepted(placement(), "o-0")
    for number in range(recent_placements.KEPT + 1):
        assert order.order is not None
        numbered = replace(order.order, order_id=f"o-{number}")
        recent.add(replace(order, order=numbered))
    assert recent.find("demo", "o-0") is None
    assert recent.find("demo", "o-1") is not None
