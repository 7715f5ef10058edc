import asyncio

import pytest

from gateway.domain.placements import PlacementState
from gateway.store.spool import Spool
from tests.unit.store.examples import accepted, in_state, placement

pytestmark = pytest.mark.anyio

UNKNOWN = in_state(placement(), PlacementState.UNKNOWN)
ACCEPTED = accepted(placement())


async def test_records_leave_in_the_order_they_came() -> None:
    spool = Spool(10)
    for record in (UNKNOWN, placement(2), ACCEPTED):
        assert spool.put(record)
    left = []
    while len(spool):
        left.append(await spool.first())
        spool.drop_first()
    assert left == [UNKNOWN, placement(2), ACCEPTED]


async def test_it_knows_the_latest_record_of_each_until_that_is_written() -> None:
    spool = Spool(10)
    spool.put(UNKNOWN)
    spool.put(ACCEPTED)
    assert list(spool.latest()) == [ACCEPTED]
    spool.drop_first()
    assert spool.get(ACCEPTED.id) is ACCEPTED
    spool.drop_first()
    assert spool.get(ACCEPTED.id) is None
    assert list(spool.latest()) == []


async def test_it_takes_no_more_than_its_limit() -> None:
    spool = Spool(1)
    assert spool.put(UNKNOWN)
    assert not spool.put(placement(2))
    assert len(spool) == 1
    assert spool.get(placement(2).id) is None


async def test_whoever_wants_the_first_waits_for_it() -> None:
    spool = Spool(1)
    waiting = asyncio.create_task(spool.first())
    await asyncio.sleep(0)
    assert not waiting.done()
    spool.put(UNKNOWN)
    assert await waiting is UNKNOWN


async def test_it_tells_when_nothing_waits_any_more() -> None:
    spool = Spool(1)
    await spool.empty()
    spool.put(UNKNOWN)
    waiting = asyncio.create_task(spool.empty())
    await asyncio.sleep(0)
    assert not waiting.done()
    spool.drop_first()
    await waiting
