"""Whose an order is: an app sees and cancels the orders that the journal knows as its own.

An order is known by the id that the exchange gave it when it was placed, or by which it was found
afterwards. Market and fast orders get none then, and an order whose outcome is unknown has none: to
the journal, these are nobody's.
"""

from collections.abc import Callable, Iterable

from gateway.access.policy import Action, Policy
from gateway.domain.errors import NotYours
from gateway.domain.orders import Order
from gateway.domain.placements import PlacementState
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal


class Ownership:
    """Tells own orders from others'.

    What this process placed lately it knows at once; for the rest it asks the journal, and raises
    `NotLookedUp` while that is away: what may be one's own is never silently left out.
    """

    def __init__(
        self,
        *,
        journal: OrderJournal,
        recent: RecentPlacements,
        policy: Callable[[], Policy],
    ) -> None:
        self._journal = journal
        self._recent = recent
        self._policy = policy

    def reads_all(self, principal_id: str, account: str) -> bool:
        """Whether the principal may see and cancel the orders of others, and nobody's."""
        return self._policy().decide(principal_id, Action.ORDERS_READ_ALL, account).allowed

    async def owners(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """Who placed each of the account's orders, by its id; nobody's are left out."""
        asked = dict.fromkeys(order_ids)
        found = {each: self._recent.find(account, each) for each in asked}
        owners = {each: placed.principal for each, placed in found.items() if placed is not None}
        missing = [each for each in asked if each not in owners]
        if missing:
            placed = await self._journal.of_orders(account, missing)
            owners |= {each: placement.principal for each, placement in placed.items()}
        return owners

    async def owned(self, principal_id: str, account: str, order_ids: Iterable[str]) -> set[str]:
        """Those of the account's orders that the principal placed, by their ids."""
        owners = await self.owners(account, order_ids)
        return {order_id for order_id, owner in owners.items() if owner == principal_id}

    async def may_be_own(self, principal_id: str, order: Order, account: str) -> bool:
        """Whether an intent of the principal's that may soon have an outcome could be the order.

        It could while it is of the order's lane; what is IN_DOUBT may stay so for days.
        """
        return any(
            placement.principal == principal_id
            and placement.state is not PlacementState.IN_DOUBT
            and (placement.command.symbol, placement.command.side) == (order.symbol, order.side)
            for placement in await self._journal.unresolved(account)
        )

    async def visible_orders(
        self, principal_id: str, account: str, orders: tuple[Order, ...]
    ) -> tuple[Order, ...]:
        """Those of the account's orders that the principal may see, in the order given."""
        if self.reads_all(principal_id, account):
            return orders
        ids = [order.order_id for order in orders if order.order_id is not None]
        owned = await self.owned(principal_id, account, ids)
        return tuple(order for order in orders if order.order_id in owned)

    async def require_cancel(self, principal_id: str, account: str, order_id: str) -> None:
        """Raise `NotYours` unless the principal may cancel the order, as far as whose it is."""
        if self.reads_all(principal_id, account):
            return
        if order_id not in await self.owned(principal_id, account, [order_id]):
            raise NotYours(order_id)
