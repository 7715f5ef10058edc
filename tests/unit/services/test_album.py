"""When an account is read for the sake of its unknown outcomes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.domain.errors import NotSent
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Terms
from gateway.services.account_stream import ACCOUNT
from gateway.services.album import Album
from gateway.services.pictures import Pictures
from tests.unit.services.desks import Watch, reads_of, streams_of
from tests.unit.services.examples import order, until
from tests.unit.services.following import Desk, desk_of
from tests.unit.store.examples import placement

pytestmark = pytest.mark.anyio

TERMS = Terms(guard=5_000, spacing=1_000, within=30_000, late_watch=600_000, fenced=True)


@dataclass
class Bench:
    """An order whose outcome is not known, and the readings of its account."""

    desk: Desk
    album: Album
    placed: Placement

    async def refreshed(self, later_ms: int = 0) -> bool:
        self.desk.clock.now += later_ms
        return await self.album.refresh(self.desk.clock.now, [self.placed], TERMS)

    def happens(self) -> None:
        self.desk.feed.tell(ACCOUNT, order(f"o{self.desk.clock.now}"))


@asynccontextmanager
async def bench_of(state: PlacementState = PlacementState.UNKNOWN) -> AsyncIterator[Bench]:
    async with desk_of(fills_every_s=60) as desk:
        pictures = Pictures(
            streams=streams_of({"demo": desk.stream}),
            exchange=desk.exchange.client,
            reads=reads_of(Watch()),
            exchange_now=desk.clock,
        )
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.stream.whole_since is not None)
            placed = replace(placement(), state=state, signed_at=desk.clock.now, window=5_000)
            yield Bench(desk, Album("demo", desk.stream, pictures), placed)


async def test_the_first_picture_is_taken_at_once_and_kept() -> None:
    async with bench_of() as bench:
        assert await bench.refreshed()
        assert [each.read_at for each in bench.album.pictures] == [bench.desk.clock.now]
        bench.album.clear()
        assert bench.album.pictures == ()
        assert await bench.refreshed()


async def test_while_nothing_happens_an_account_is_read_every_five_seconds() -> None:
    async with bench_of() as bench:
        await bench.refreshed()
        assert not await bench.refreshed(4_999)
        assert await bench.refreshed(1)


async def test_what_happens_is_looked_at_but_not_more_often_than_the_terms_say() -> None:
    async with bench_of() as bench:
        await bench.refreshed()
        bench.happens()
        assert not await bench.refreshed(999)
        assert await bench.refreshed(1)
        assert not await bench.refreshed(1_000)


async def test_two_pictures_are_taken_once_silence_tells() -> None:
    async with bench_of() as bench:
        await bench.refreshed()
        await bench.refreshed(9_500)
        assert [await bench.refreshed(1_000) for _ in range(4)] == [True, True, False, False]


async def test_what_is_in_doubt_is_looked_at_when_something_happened_and_rarely_else() -> None:
    async with bench_of(PlacementState.IN_DOUBT) as bench:
        await bench.refreshed()
        bench.happens()
        assert not await bench.refreshed(4_999)
        assert await bench.refreshed(1)
        assert not await bench.refreshed(59_999)
        assert await bench.refreshed(1)


async def test_without_a_stream_what_is_in_doubt_is_looked_at_every_five_seconds() -> None:
    async with bench_of(PlacementState.IN_DOUBT) as bench:
        bench.desk.feed.cut()
        await bench.refreshed()
        assert not await bench.refreshed(4_999)
        assert await bench.refreshed(1)


async def test_a_reading_that_failed_is_paced_as_one_that_did_not() -> None:
    async with bench_of() as bench:
        bench.desk.exchange.answers["balances"] = NotSent("balance/wallet", "connect")
        assert not await bench.refreshed()
        asked = len(bench.desk.exchange.asked)
        assert not await bench.refreshed(999)
        assert len(bench.desk.exchange.asked) == asked
        assert bench.album.pictures == ()
