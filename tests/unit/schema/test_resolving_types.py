"""What a person looks at and decides, over a real journal."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.cli.operations import operation
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from tests.unit.schema.examples import EVERYTHING, Desk, codes, desk_of
from tests.unit.services.examples import policy
from tests.unit.store.examples import placement
from tests.unit.store.journals import journal_on, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOBODY = policy(Action.MARKET_READ)


async def run(desk: Desk, document: str, **variables: object) -> Any:  # noqa: ANN401 - of any shape
    response = await desk.run(operation(document), variables)
    assert "errors" not in response, response
    (value,) = response["data"].values()
    return value


async def in_doubt(desk: Desk) -> Placement:
    """A placement of another principal that nobody but a person can judge."""
    journal = journal_on(desk.redis)
    unknown = await lost(journal, replace(placement(), resolve_by=60_000))
    verdict = Verdict(placement=unknown, state=PlacementState.IN_DOUBT, evidence="two orders fit")
    return await journal.resolve(verdict, leader=await lead(desk.redis))


async def test_what_has_no_outcome_is_shown_with_what_is_known_of_it(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        doubtful = await in_doubt(desk)
        (shown,) = await run(desk, "unresolved-placements", account="demo")
        assert (shown["id"], shown["state"], shown["principal"]) == (
            doubtful.id,
            "IN_DOUBT",
            "demo-app",
        )
        assert (shown["evidence"], shown["newIdSafe"]) == ("two orders fit", False)
        assert shown["resolveBy"] == "1970-01-01T00:01:00.000Z"
        alone = await run(desk, "placement", id=doubtful.id)
        assert (alone["id"], alone["state"]) == (doubtful.id, "IN_DOUBT")


async def test_a_settled_placement_is_shown_as_it_is_for_good(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        doubtful = await in_doubt(desk)
        judgement = {"id": doubtful.id, "outcome": "NOT_PLACED", "reason": "no such order"}
        refused = await run(desk, "resolve-placement", **{**judgement, "orderId": "o-1"})
        assert (refused["__typename"], refused["code"]) == ("OperatorRejected", "BAD_USER_INPUT")
        done = await run(desk, "resolve-placement", **judgement)
        assert done["__typename"] == "PlacementResolved"
        settled = done["placement"]
        assert (settled["state"], settled["resolvedBy"], settled["resolveBy"]) == (
            "NOT_PLACED",
            "app",
            None,
        )
        assert settled["evidence"] == "two orders fit; no such order"
        assert await run(desk, "unresolved-placements", account="demo") == []


async def test_without_the_grant_nothing_is_shown_and_nothing_changed(valkey: ValkeyServer) -> None:
    async with desk_of(NOBODY, url=valkey.url) as desk:
        doubtful = await in_doubt(desk)
        asked = f'{{ unresolvedPlacements(account: "demo") {{ id }} placement(id: "{doubtful.id}") '
        response = await desk.run(asked + "{ id } }")
        assert codes(response) == ["FORBIDDEN"]
        assert codes(await desk.run(f'{{ placement(id: "{doubtful.id}") {{ id }} }}')) == []
        judgement = {"id": doubtful.id, "outcome": "NOT_PLACED", "reason": "why"}
        refused = await run(desk, "resolve-placement", **judgement)
        assert (refused["code"], refused["rule"]) == ("FORBIDDEN", "default-deny")
        assert await journal_on(desk.redis).get(doubtful.id) == doubtful


async def test_without_redis_nobody_is_told_that_every_placement_has_its_outcome() -> None:
    async with desk_of(EVERYTHING, url="redis://127.0.0.1:1") as desk:
        asked = '{ unresolvedPlacements(account: "demo") { id } }'
        assert codes(await desk.run(asked)) == ["JOURNAL_UNAVAILABLE"]
