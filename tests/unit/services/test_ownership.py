from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.errors import NotLookedUp, NotYours
from gateway.domain.market import OrderSide
from gateway.domain.placements import PlacementState
from gateway.domain.resolution import Verdict
from gateway.services.ownership import Ownership
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal
from tests.unit.services.examples import APP, order, policy
from tests.unit.store.examples import accepted, open_patient, open_quick, placement
from tests.unit.store.journals import begin, journal_on, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

TRADER = policy(Action.ORDERS_CANCEL)
OVERSEER = policy(Action.ORDERS_CANCEL, Action.ORDERS_READ_ALL)
NOBODYS, ONES, OTHERS = order("nobodys"), order("ones"), order("others")
"""The principal of the journal's examples is `demo-app`; `app` placed none of them."""


@asynccontextmanager
async def desk_of(
    url: str, granted: Policy = TRADER
) -> AsyncIterator[tuple[Ownership, OrderJournal, RecentPlacements]]:
    async with open_patient(url) as redis:
        journal, recent = journal_on(redis), RecentPlacements()
        ownership = Ownership(journal=journal, recent=recent, policy=lambda: granted)
        yield ownership, journal, recent


async def record(journal: OrderJournal, order_id: str, number: int) -> None:
    begun = await begin(journal, placement(number, client_order_id=f"c-{number}"))
    await journal.finish(accepted(begun, order_id))


async def test_the_journal_tells_whose_an_order_is(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as (ownership, journal, _):
        await record(journal, "ones", 1)
        assert await ownership.owners("demo", ["ones", "nobodys"]) == {"ones": "demo-app"}
        assert await ownership.owned("demo-app", "demo", ["ones", "nobodys"]) == {"ones"}
        assert await ownership.owned(APP.id, "demo", ["ones", "nobodys"]) == set()
        assert await ownership.owners("vault", ["ones"]) == {}


async def test_only_own_orders_are_visible_in_the_order_given(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as (ownership, journal, _):
        await record(journal, "ones", 1)
        await record(journal, "first", 2)
        orders = (order("first"), NOBODYS, order(None), ONES)
        visible = await ownership.visible_orders("demo-app", "demo", orders)
        assert visible == (order("first"), ONES)
        assert await ownership.visible_orders(APP.id, "demo", orders) == ()


async def test_with_read_all_every_order_is_visible_though_the_journal_is_away() -> None:
    async with desk_of("redis://127.0.0.1:1", OVERSEER) as (ownership, _, _):
        orders = (NOBODYS, order(None), ONES)
        assert await ownership.visible_orders(APP.id, "demo", orders) == orders
        await ownership.require_cancel(APP.id, "demo", "nobodys")
        assert ownership.reads_all(APP.id, "demo")
        assert not ownership.reads_all(APP.id, "vault")


async def test_a_cancel_needs_the_order_to_be_ones_own(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as (ownership, journal, _):
        await record(journal, "ones", 1)
        await ownership.require_cancel("demo-app", "demo", "ones")
        for principal, account, order_id in (
            (APP.id, "demo", "ones"),
            ("demo-app", "demo", "nobodys"),
            ("demo-app", "vault", "ones"),
        ):
            with pytest.raises(NotYours):
                await ownership.require_cancel(principal, account, order_id)


async def test_what_was_placed_here_lately_is_known_though_the_journal_is_away() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        recent = RecentPlacements()
        recent.add(accepted(placement(), "ones"))
        ownership = Ownership(journal=journal_on(redis), recent=recent, policy=lambda: TRADER)
        await ownership.require_cancel("demo-app", "demo", "ones")
        with pytest.raises(NotYours):
            await ownership.require_cancel(APP.id, "demo", "ones")
        assert await ownership.visible_orders("demo-app", "demo", (ONES,)) == (ONES,)


async def test_what_cannot_be_looked_up_is_neither_ones_own_nor_left_out() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        ownership = Ownership(
            journal=journal_on(redis), recent=RecentPlacements(), policy=lambda: TRADER
        )
        with pytest.raises(NotLookedUp):
            await ownership.require_cancel(APP.id, "demo", "ones")
        with pytest.raises(NotLookedUp):
            await ownership.visible_orders(APP.id, "demo", (ONES,))
        assert await ownership.visible_orders(APP.id, "demo", ()) == ()


async def test_an_order_of_its_lane_may_be_an_intent_s_until_that_is_in_doubt(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as (ownership, journal, _), open_patient(valkey.url) as redis:
        assert not await ownership.may_be_own("demo-app", NOBODYS, "demo")
        unknown = await lost(journal, placement())
        assert await ownership.may_be_own("demo-app", NOBODYS, "demo")
        assert not await ownership.may_be_own(APP.id, NOBODYS, "demo")
        assert not await ownership.may_be_own("demo-app", NOBODYS, "vault")
        for other in (replace(NOBODYS, side=OrderSide.SELL), replace(NOBODYS, symbol="ETHUSDT")):
            assert not await ownership.may_be_own("demo-app", other, "demo")
        doubt = Verdict(placement=unknown, state=PlacementState.IN_DOUBT, evidence="two fit")
        await journal.resolve(doubt, leader=await lead(redis))
        assert not await ownership.may_be_own("demo-app", NOBODYS, "demo")
