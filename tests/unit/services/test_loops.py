import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.services.loops import kept_up
from tests.unit.services.examples import turns, until

pytestmark = pytest.mark.anyio


async def test_a_loop_runs_for_the_length_of_the_context() -> None:
    running: list[str] = []

    async def loop() -> None:
        running.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            running.append("ended")

    async with kept_up({"loop": loop}):
        await turns()
        assert running == ["begun"]
    assert running == ["begun", "ended"]


async def test_a_fault_is_logged_and_told_and_the_loop_starts_again() -> None:
    begun = 0

    async def loop() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise LookupError
        await asyncio.Event().wait()

    failed: list[str] = []
    with capture_logs() as lines:
        async with kept_up({"feeble": loop}, failed.append):
            await until(lambda: begun == 2)
    assert [(line["event"], line["loop"]) for line in lines] == [("loop.failed", "feeble")]
    assert failed == ["feeble"]


async def test_a_cancellation_that_gets_lost_is_repeated() -> None:
    swallowed = 0

    async def loop() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async with kept_up({"stubborn": loop}):
        await turns()
    assert swallowed == 3


async def test_no_loop_waits_for_the_end_of_another() -> None:
    meeting = asyncio.Barrier(2)

    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await meeting.wait()

    async with asyncio.timeout(10), kept_up({"one": loop, "other": loop}):
        await turns()
