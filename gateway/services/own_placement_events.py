"""What becomes of a principal's placements whose outcome no answer told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.domain.account_events import AccountEvent
from gateway.domain.errors import NotLookedUp
from gateway.domain.placements import Placement, PlacementState
from gateway.services.account_events import AccountEvents

_RETRY_S = 1.0


async def own_placement_events(
    events: AccountEvents, principal_id: str, account: str
) -> AsyncGenerator[Placement]:
    """Yield each of them when its outcome is UNKNOWN, IN_DOUBT or found; never ends by itself.

    While the events cannot be read it waits: whoever follows the account's orders goes on.
    """
    while True:
        try:
            async with aclosing(events.follow(account)) as following:
                async for event in following:
                    told = event.placement if isinstance(event, AccountEvent) else None
                    if told is not None and _is_of(told, principal_id):
                        yield told
        except NotLookedUp:
            await asyncio.sleep(_RETRY_S)


def _is_of(placement: Placement, principal_id: str) -> bool:
    """Evidence stands where no answer told the outcome; what was answered, its caller knows."""
    return (
        placement.principal == principal_id
        and placement.state is not PlacementState.SENDING
        and placement.evidence is not None
    )
