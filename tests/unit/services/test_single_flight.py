import asyncio
import gc
from typing import Any

import pytest

from gateway.services.single_flight import SingleFlight
from tests.unit.services.examples import turns

pytestmark = pytest.mark.anyio


class Call:
    """One call that counts its beginnings and lands when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.begun += 1
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def test_callers_of_one_key_at_once_share_one_call() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    call = Call()
    callers = [asyncio.create_task(flights.join("key", call)) for _ in range(100)]
    await turns()
    call.answer.set_result("landed")
    assert await asyncio.gather(*callers) == ["landed"] * 100
    assert call.begun == 1


async def test_keys_have_calls_of_their_own_and_each_call_is_made_anew() -> None:
    flights: SingleFlight[str, str] = SingleFlight()

    async def echo() -> str:
        return f"{len(asked)}"

    asked: list[str] = []
    for key in ("a", "b", "a"):
        asked.append(key)
        assert await flights.join(key, echo) == str(len(asked))
        await turns()
        assert not flights.under_way(key)


async def test_a_caller_who_is_cancelled_takes_nothing_from_the_others() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    call = Call()
    first = asyncio.create_task(flights.join("key", call))
    second = asyncio.create_task(flights.join("key", call))
    await turns()
    first.cancel()
    await turns()
    call.answer.set_result("landed")
    assert await second == "landed"
    assert first.cancelled()
    assert (call.begun, call.cancelled) == (1, 0)


async def test_a_failure_reaches_every_caller_and_the_next_call_is_a_new_one() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    call = Call()
    callers = [asyncio.create_task(flights.join("key", call)) for _ in range(3)]
    await turns()
    call.answer.set_exception(OSError("away"))
    failures = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(failure) for failure in failures] == [OSError] * 3
    again = Call()
    again.answer.set_result("back")
    assert await flights.join("key", again) == "back"


async def test_a_failure_that_nobody_waits_for_is_no_error_of_the_event_loop() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    call = Call()
    flights.begin("key", call)
    await turns()
    call.answer.set_exception(OSError("away"))
    await turns()
    del call
    gc.collect()
    assert complaints == []


async def test_closing_cancels_what_is_under_way_and_leaves_no_task() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    call = Call()
    task = flights.begin("key", call)
    await turns()
    await flights.aclose()
    assert task.cancelled()
    assert not flights.under_way("key")
    assert call.cancelled == 1


async def test_landing_waits_for_no_other_calls_than_asked_for() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    mine, others = Call(), Call()
    task = flights.begin("mine", mine)
    flights.begin("others", others)
    asyncio.get_running_loop().call_later(0.01, mine.answer.set_result, "landed")
    await flights.landed(60, lambda key: key == "mine")
    assert task.result() == "landed"
    await flights.aclose()


async def test_landing_waits_for_calls_but_no_longer_than_it_is_told() -> None:
    flights: SingleFlight[str, str] = SingleFlight()
    await flights.landed(5)
    call = Call()
    task = flights.begin("key", call)
    await flights.landed(0.01)
    assert not task.done()
    asyncio.get_running_loop().call_later(0.01, call.answer.set_result, "landed")
    await flights.landed(20)
    assert task.result() == "landed"
