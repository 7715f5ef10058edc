import asyncio

import pytest

from gateway.domain.errors import NotSent
from gateway.exchange import ExchangeClock
from gateway.services.exchange_status import ExchangeStatus
from tests.unit.services.examples import Clock, StandInExchange, StandInFeed, until

pytestmark = pytest.mark.anyio


def status_of(exchange: StandInExchange, clock: Clock) -> ExchangeStatus:
    offset = ExchangeClock(clock, lambda: 0.0)
    return ExchangeStatus(exchange.client, offset, StandInFeed().feed, clock)


async def test_callers_share_one_request_and_its_answer_for_a_second() -> None:
    clock, exchange = Clock(), StandInExchange({"time": 5_000})
    status = status_of(exchange, clock)
    at_once = await asyncio.gather(*(status.read() for _ in range(10)))
    assert {(each.reachable, each.server_time) for each in at_once} == {(True, 5_000)}
    clock.now += 999
    later = await status.read()
    assert (later.server_time, later.feed.connected) == (5_999, True)
    assert exchange.asked == ["time"]
    clock.now += 1
    await status.read()
    assert exchange.asked == ["time"] * 2


async def test_an_exchange_that_does_not_answer_is_not_reachable_and_is_no_error() -> None:
    clock, exchange = Clock(), StandInExchange({"time": NotSent("time", "connect")})
    found = await status_of(exchange, clock).read()
    assert (found.reachable, found.server_time, found.offset_ms) == (False, None, None)


async def test_a_clock_that_is_set_back_asks_again() -> None:
    clock, exchange = Clock(), StandInExchange({"time": 5_000})
    status = status_of(exchange, clock)
    await status.read()
    clock.now -= 100_000
    assert (await status.read()).server_time == 5_000


async def test_from_the_first_failure_to_the_next_answer_the_problem_says_since_when_and_why() -> (
    None
):
    clock, exchange = Clock(), StandInExchange({"time": NotSent("time", "connect_failed")})
    status = status_of(exchange, clock)
    assert status.problem is None
    await status.read()
    clock.now += 60_000
    await status.read()
    problem = str(status.problem)
    assert problem.startswith("no answer of its REST since 1970-01-01T00:16:40+00:00: ")
    assert "connect_failed" in problem
    exchange.answers["time"] = 5_000
    clock.now += 60_000
    await status.read()
    assert status.problem is None


async def test_the_problem_is_known_though_nobody_asks() -> None:
    exchange = StandInExchange({"clock": NotSent("time", "connect_failed")})
    status = status_of(exchange, Clock())
    following = asyncio.create_task(status.follow(0.001))
    await until(lambda: status.problem)
    exchange.answers["clock"] = None
    await until(lambda: status.problem is None)
    following.cancel()


async def test_a_time_that_is_told_roughly_is_asked_for_again_soon() -> None:
    elapsed, exchange = iter((0.0, 1.5)), StandInExchange({"clock": None})
    rough = ExchangeClock(Clock(), lambda: next(elapsed, 1.5))
    await rough.synchronise(lambda: asyncio.sleep(0, 5_000))
    status = ExchangeStatus(exchange.client, rough, StandInFeed().feed, Clock())
    following = asyncio.create_task(status.follow(3600))
    await until(lambda: len(exchange.asked) > 1)
    following.cancel()
