import asyncio

import pytest

from gateway.web.unread import UnreadWatch
from tests.unit.services.examples import until
from tests.unit.web.transports import StandInTransport

pytestmark = pytest.mark.anyio


async def test_who_takes_nothing_in_time_is_cut_off() -> None:
    transport = StandInTransport(3, 2, 2)
    UnreadWatch(0.01).begin(transport)
    await until(lambda: transport.aborted)
    assert transport.waiting == [2]


async def test_who_takes_something_each_time_is_not_cut_off() -> None:
    transport = StandInTransport(3, 2, 2, 1, 1, 0)
    UnreadWatch(0.01).begin(transport)
    await until(lambda: transport.waiting == [0])
    await asyncio.sleep(0.03)
    assert not transport.aborted


async def test_nobody_is_cut_off_once_the_watch_has_ended_or_where_nothing_waits() -> None:
    ended, nothing = StandInTransport(2), StandInTransport(0)
    watch = UnreadWatch(0.01)
    watch.begin(ended)
    watch.end()
    UnreadWatch(0.01).begin(nothing)
    await asyncio.sleep(0.03)
    assert not ended.aborted
    assert not nothing.aborted
