"""The GraphQL types of a page of placements, as Relay's connections have them."""

import strawberry

from gateway.domain import placements
from gateway.schema.described import described
from gateway.schema.order_types import Placement

MAX_PLACEMENTS = 100


@strawberry.type(description="A placement, and the place where it stands.")
class PlacementEdge:
    """A placement and its cursor."""

    node: Placement = described("The placement.")
    cursor: str = described("Give it as `after` to go on behind this placement.")


@strawberry.type(name="PageInfo", description="Where a page lies among the others.")
class PageBounds:
    """Where a page lies."""

    has_next_page: bool = described(
        "True when there is more to read. Of a rare state a page may hold few or none while this "
        "is true: go on from endCursor."
    )
    has_previous_page: bool = described("True when the page was asked for by `after`.")
    start_cursor: str | None = described("The first placement's cursor; null without one.")
    end_cursor: str | None = described("Where the next page begins; null when nothing was read.")


@strawberry.type(description="A page of placements, the newest first.")
class PlacementConnection:
    """A page of placements."""

    edges: list[PlacementEdge] = described("The placements.")
    page_info: PageBounds = described("Where the page lies.")

    @classmethod
    def of(cls, page: placements.PlacementPage, after: str | None) -> "PlacementConnection":
        """Show the page that begins behind the cursor `after`."""
        return cls(
            edges=[
                PlacementEdge(node=Placement.of(placement), cursor=cursor)
                for cursor, placement in page.entries
            ],
            page_info=PageBounds(
                has_next_page=page.has_next,
                has_previous_page=after is not None,
                start_cursor=page.entries[0][0] if page.entries else None,
                end_cursor=page.end,
            ),
        )
