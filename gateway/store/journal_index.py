"""The order of a principal's placements in an account, and cursors into it.

A position is a text: the time of creation, then the client order id. Positions sort as texts, and
no two placements of one principal and account share one, so a page begins exactly where the one
before it ended, whatever was placed meanwhile.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable

from gateway.domain.errors import BadUserInput
from gateway.domain.placements import Placement, PlacementPage

_LOOKED_AT = 1_000
"""How many positions one page looks at, however few of their placements stand or are wanted."""

_POSITION = re.compile(r"[0-9]{16}:.*", re.ASCII | re.DOTALL)


def position_of(placement: Placement) -> str:
    """Where a placement stands: later ones sort behind."""
    return f"{placement.created_at:016d}:{placement.command.client_order_id}"


def client_order_id_at(position: str) -> str:
    """The client order id of the placement that stands there."""
    return position.partition(":")[2]


def cursor_at(position: str) -> str:
    """The opaque form of a position."""
    return urlsafe_b64encode(position.encode()).decode()


def position_at(cursor: str) -> str:
    """The position behind a cursor; raises `BadUserInput` for what is none."""
    try:
        position = urlsafe_b64decode(cursor).decode()
    except ValueError:
        position = ""
    if not _POSITION.fullmatch(position) or cursor_at(position) != cursor:
        raise BadUserInput("after", "expected the cursor of a page before, or none")
    return position


async def page_of(
    places: AsyncIterator[tuple[str, Placement | None]],
    first: int,
    wanted: Callable[[Placement], bool],
) -> PlacementPage:
    """The `first` wanted placements of `places`: positions, newest first, and what stands there."""
    entries: list[tuple[str, Placement]] = []
    looked_at = 0
    async for position, placement in places:
        looked_at += 1
        if placement is not None and wanted(placement):
            if len(entries) == first:
                return _page(entries, has_next=True)
            entries.append((cursor_at(position), placement))
        if looked_at == _LOOKED_AT:
            if len(entries) == first:
                return _page(entries, has_next=True)
            return PlacementPage(tuple(entries), cursor_at(position), has_next=True)
    return _page(entries, has_next=False)


def _page(entries: list[tuple[str, Placement]], *, has_next: bool) -> PlacementPage:
    return PlacementPage(tuple(entries), entries[-1][0] if entries else None, has_next)
