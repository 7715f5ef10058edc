"""The placements that a caller lists, and whether orders are sent at all."""

import asyncio
from dataclasses import replace

import pytest

from gateway.access.policy import Action
from gateway.domain.account import TradingState
from gateway.domain.errors import BadUserInput, NotRecorded, Refused, UnknownAccount
from gateway.domain.placements import Placement, PlacementPage, PlacementState
from tests.unit.services.desks import CALLER, OTHER, Desk, desk_of
from tests.unit.services.examples import APP, command, policy
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
REFUSED = Refused("limit-buy", "10036", "INSUFFICIENT", "not enough", "deposit", retry=False)
LEASE_MS = 35_000
"""The window of a signed request and the lease that follows it."""


async def listed(
    desk: Desk,
    *,
    client_order_id: str | None = None,
    state: PlacementState | None = None,
    first: int = 100,
) -> list[Placement]:
    page = await desk.placements.page(
        APP, "demo", client_order_id=client_order_id, state=state, first=first, after=None
    )
    return [placement for _, placement in page.entries]


async def left_behind(
    desk: Desk, placed: Placement, client_order_id: str, lease_ms: int = LEASE_MS
) -> Placement:
    """A placement whose sender died: it is SENDING in the journal."""
    lost = replace(
        placed,
        id=f"demo.{client_order_id}",
        command=command(client_order_id),
        state=S.SENDING,
        order=None,
        created_at=placed.created_at + 1,
    )
    return await desk.journal.begin(lost, lease_ms=lease_ms)


async def test_a_caller_lists_the_placements_of_its_own_the_newest_first(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = []
        for number in range(3):
            placed.append(await desk.orders.place(CALLER, command(f"c-{number}")))
            desk.clock.now += 1
        others = replace(placed[0], id="demo.other", principal=OTHER.id, state=S.SENDING)
        await desk.journal.begin(others, lease_ms=LEASE_MS)
        assert await listed(desk) == placed[::-1]
        assert await listed(desk, client_order_id="c-1") == [placed[1]]
        assert await listed(desk, client_order_id="no-such-id") == []


async def test_a_placement_of_an_account_that_was_taken_away_is_not_told_to_be_none(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command())
    async with desk_of(valkey.url, policy(Action.MARKET_READ)) as desk:
        with pytest.raises(UnknownAccount):
            await desk.placements.one(APP, placed.id)


async def test_placements_can_be_those_of_one_state(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        accepted = await desk.orders.place(CALLER, command("c-1"))
        desk.exchange.answers["place"] = REFUSED
        rejected = await desk.orders.place(CALLER, command("c-2"))
        assert await listed(desk, state=S.ACCEPTED) == [accepted]
        assert await listed(desk, state=S.REJECTED) == [rejected]
        assert await listed(desk, state=S.REJECTED, client_order_id="c-1") == []


async def test_a_placement_whose_sender_is_gone_is_listed_as_unknown_once_its_lease_lapsed(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        placed = await desk.orders.place(CALLER, command("c-1"))
        lost = await left_behind(desk, placed, "c-2", lease_ms=1)
        await asyncio.sleep(0.05)
        await listed(desk)
        (unknown,) = await listed(desk, state=S.UNKNOWN)
        assert (unknown.id, unknown.epoch) == (lost.id, lost.epoch + 1)
        assert await listed(desk, state=S.SENDING) == []


async def test_a_page_goes_on_where_the_one_before_it_ended(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        placed = []
        for number in range(5):
            placed.append(await desk.orders.place(CALLER, command(f"c-{number}")))
            desk.clock.now += 1
        seen: list[Placement] = []
        page = PlacementPage((), None, has_next=True)
        while page.has_next:
            page = await desk.placements.page(
                APP, "demo", client_order_id=None, state=None, first=2, after=page.end
            )
            seen += [placement for _, placement in page.entries]
    assert seen == placed[::-1]


async def test_an_account_that_a_caller_may_not_know_of_has_no_placements(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        for who, account in ((OTHER, "demo"), (APP, "other"), (APP, "nowhere")):
            with pytest.raises(UnknownAccount):
                await desk.placements.page(
                    who, account, client_order_id=None, state=None, first=1, after=None
                )


async def test_whoever_may_place_may_list_without_reading_the_account(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, policy(Action.ORDERS_PLACE)) as desk:
        placed = await desk.orders.place(CALLER, command())
        assert await listed(desk) == [placed]


async def test_a_bad_cursor_is_the_caller_s_fault(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(BadUserInput) as refused:
            await desk.placements.page(
                APP, "demo", client_order_id=None, state=None, first=1, after="bad"
            )
    assert refused.value.field == "after"


async def test_without_a_journal_only_cancels_are_sent(own_valkey: ValkeyServer) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as desk:
        assert await desk.orders.trading_state(CALLER, "demo") is TradingState.ACTIVE
        await asyncio.to_thread(own_valkey.stop)
        assert await desk.orders.trading_state(CALLER, "demo") is TradingState.CANCEL_ONLY
        with pytest.raises(NotRecorded):
            await desk.orders.place(CALLER, command())
        await desk.cancels.cancel(CALLER, "demo", "o-1")
        assert desk.exchange.asked.count("cancel") == 1
        assert "place" not in desk.exchange.asked
        await asyncio.to_thread(own_valkey.start)
        assert await desk.orders.trading_state(CALLER, "demo") is TradingState.ACTIVE
