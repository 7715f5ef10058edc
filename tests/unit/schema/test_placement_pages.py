from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.errors import BadUserInput
from gateway.domain.orders import OrderSpec, OrderType
from gateway.domain.placements import Placement, PlacementPage, PlacementState
from tests.unit.schema.examples import EVERYTHING, Desk, Journal, codes, desk_of
from tests.unit.store.examples import placement

pytestmark = pytest.mark.anyio

D = Decimal
PAGE = """query($clientOrderId: String, $state: PlacementState, $first: Int = 50, $after: String) {
  placements(
    account: "demo", clientOrderId: $clientOrderId, state: $state, first: $first, after: $after
  ) {
    edges { cursor node { clientOrderId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


class PagedJournal(Journal):
    """A journal with one page, which notes what it is asked for."""

    def __init__(self, page: PlacementPage) -> None:
        super().__init__()
        self.asked: list[tuple[object, ...]] = []
        self._page = page

    async def page(self, *owner: str, **asked: object) -> PlacementPage:
        self.asked.append((*owner, asked["client_order_id"], asked["first"], asked["after"]))
        if asked["after"] == "bad":
            raise BadUserInput("after", "is no cursor")
        return self._page


def numbered(number: int) -> Placement:
    return replace(placement(number, client_order_id=f"c-{number}"), lease_until=2_000_000)


async def page_of(desk: Desk, **variables: object) -> Any:  # noqa: ANN401 - what an answer holds
    response = await desk.run(PAGE, variables)
    assert "errors" not in response, response
    return response["data"]["placements"]


async def test_a_page_shows_its_placements_with_their_cursors_and_where_it_ends() -> None:
    journal = PagedJournal(
        PlacementPage((("x", numbered(2)), ("y", numbered(1))), "z", has_next=True)
    )
    async with desk_of(EVERYTHING, journal) as desk:
        shown = await page_of(desk, clientOrderId="c", first=2, after="w")
    assert [edge["cursor"] for edge in shown["edges"]] == ["x", "y"]
    assert [edge["node"]["clientOrderId"] for edge in shown["edges"]] == ["c-2", "c-1"]
    assert shown["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": True,
        "startCursor": "x",
        "endCursor": "z",
    }
    assert journal.asked == [("app", "demo", "c", 2, "w")]


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (OrderSpec(price=D("1.50"), quantity=D(2)), ["1.50", "2", None, None]),
        (OrderSpec(type=OrderType.MARKET, quantity=D(2)), [None, "2", None, None]),
        (
            OrderSpec(type=OrderType.STOP_LIMIT, stop_price=D(3), price=D(4), quantity=D(2)),
            ["4", "2", "3", None],
        ),
        (OrderSpec(type=OrderType.FAST, quote_total=D(5)), [None, None, None, "5"]),
    ],
    ids=lambda given: getattr(given, "type", None),
)
async def test_a_placement_shows_its_terms_whatever_became_of_it(
    spec: OrderSpec, shown: list[str | None]
) -> None:
    placed = placement()
    unknown = replace(
        placed, state=PlacementState.UNKNOWN, command=replace(placed.command, spec=spec)
    )
    journal = PagedJournal(PlacementPage((("x", unknown),), None, has_next=False))
    terms = "price quantity stopPrice quoteTotal"
    async with desk_of(EVERYTHING, journal) as desk:
        response = await desk.run(
            f'{{ placements(account: "demo") {{ edges {{ node {{ {terms} }} }} }} }}'
        )
    (edge,) = response["data"]["placements"]["edges"]
    assert list(edge["node"].values()) == shown


async def test_without_placements_a_page_is_empty_and_has_no_cursors() -> None:
    journal = PagedJournal(PlacementPage((), None, has_next=False))
    async with desk_of(EVERYTHING, journal) as desk:
        shown = await page_of(desk)
    assert shown["edges"] == []
    assert shown["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    assert journal.asked == [("app", "demo", None, 50, None)]


@pytest.mark.parametrize(
    ("variables", "field"),
    [({"first": 0}, "first"), ({"first": 101}, "first"), ({"after": "bad"}, "after")],
    ids=str,
)
async def test_bad_bounds_of_a_page_are_named(variables: dict[str, object], field: str) -> None:
    journal = PagedJournal(PlacementPage((), None, has_next=False))
    async with desk_of(EVERYTHING, journal) as desk:
        response = await desk.run(PAGE, variables)
    assert codes(response) == ["BAD_USER_INPUT"]
    assert response["errors"][0]["extensions"]["field"] == field
