"""What became of orders that were placed here, for those who placed them."""

import asyncio
from dataclasses import replace
from typing import TypeAlias

from gateway.access.principal import Principal
from gateway.domain.errors import UnknownAccount
from gateway.domain.placements import Placement, PlacementPage, PlacementState
from gateway.services.authority import Authority
from gateway.services.recent_placements import RecentPlacements
from gateway.services.single_flight import SingleFlight
from gateway.store.journal import OrderJournal

_OVERTAKEN_BY_S = 0.1

Placing: TypeAlias = SingleFlight[tuple[str, str, str], Placement]
"""Orders under way, by principal, account and client order id."""


class Placements:
    """Reads the journal; a placement whose sender is gone is called UNKNOWN.

    `placing` are the orders that this process has under way.
    """

    def __init__(
        self,
        *,
        authority: Authority,
        journal: OrderJournal,
        recent: RecentPlacements,
        placing: Placing,
    ) -> None:
        self._authority = authority
        self._journal = journal
        self._recent = recent
        self._placing = placing

    async def one(self, principal: Principal, placement_id: str) -> Placement | None:
        """A placement of the principal's own; None if it has none of that id.

        Raises `NotLookedUp`, and `UnknownAccount` once the principal may not know of its account.
        """
        placement = await self._journal.get(placement_id)
        if placement is None or placement.principal != principal.id:
            return None
        if placement.command.account not in self._authority.visible(principal):
            raise UnknownAccount(placement.command.account)
        return await self.as_it_stands(placement)

    async def page(
        self,
        principal: Principal,
        account: str,
        *,
        client_order_id: str | None,
        state: PlacementState | None,
        first: int,
        after: str | None,
    ) -> PlacementPage:
        """The principal's own newest placements in an account; of one id, or in one state.

        Raises `UnknownAccount`, `BadUserInput` for an `after` that is no cursor, and `NotLookedUp`.
        """
        if account not in self._authority.visible(principal):
            raise UnknownAccount(account)
        page = await self._journal.page(
            principal.id,
            account,
            first=first,
            after=after,
            client_order_id=client_order_id,
            wanted=lambda each: state in (None, each.state),
        )
        entries = await asyncio.gather(*(self.as_it_stands(each) for _, each in page.entries))
        shown = zip((cursor for cursor, _ in page.entries), entries, strict=True)
        # Its sender may have said what became of one just before it was called lost.
        return replace(page, entries=tuple(e for e in shown if state in (None, e[1].state)))

    async def of_orders(
        self, principal: Principal, account: str, order_ids: list[str]
    ) -> dict[str, Placement]:
        """The principal's own placements among those that made `order_ids`."""
        if not all(self._recent.find(account, order_id) for order_id in order_ids):
            # An order's event may overtake the answer that says whose it is.
            await self._placing.landed(
                _OVERTAKEN_BY_S, lambda identity: identity[:2] == (principal.id, account)
            )
        recent = {each: self._recent.find(account, each) for each in order_ids}
        found = {each: placement for each, placement in recent.items() if placement is not None}
        missing = [order_id for order_id in order_ids if order_id not in found]
        if missing:
            found |= await self._journal.of_orders(account, missing)
        return {key: value for key, value in found.items() if value.principal == principal.id}

    async def as_it_stands(self, placement: Placement) -> Placement:
        """The placement, called UNKNOWN if its sender is gone."""
        if placement.state is not PlacementState.SENDING:
            return placement
        return await self._journal.lapse(placement) or placement
