"""The placements that this process made last, by the orders that they became."""

from collections import OrderedDict
from dataclasses import replace

from gateway.domain.placements import Placement

KEPT = 10_000


class RecentPlacements:
    """Answers at once, where the journal takes a round trip: a burst of order events needs that.

    Only accepted placements are kept: they change no more.
    """

    def __init__(self) -> None:
        self._placements: OrderedDict[tuple[str, str], Placement] = OrderedDict()

    def add(self, placement: Placement) -> None:
        """Keep a placement, if it became an order; what stood before it is of no use any more."""
        if placement.order is None or placement.order.order_id is None:
            return
        order = placement.command.account, placement.order.order_id
        self._placements[order] = replace(placement, baseline=None)
        while len(self._placements) > KEPT:
            self._placements.popitem(last=False)

    def find(self, account: str, order_id: str) -> Placement | None:
        """The placement that became this order, if it is kept."""
        return self._placements.get((account, order_id))
