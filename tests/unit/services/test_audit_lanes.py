"""One sink's entries on their way, with a sink that does what the test says."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import first_or_next
from gateway.services.audit_lanes import Lane
from tests.unit.services.audit_examples import event
from tests.unit.services.examples import until

pytestmark = pytest.mark.anyio

ENTRY = first_or_next(None, "w", 0, event())


class SlowSink:
    """Takes entries once it is released."""

    def __init__(self) -> None:
        self.taken: list[AuditEntry] = []
        self.released = asyncio.Event()

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        await self.released.wait()
        self.taken += entries


async def test_a_sink_that_does_not_answer_is_told_until_it_has_and_gets_each_entry_once() -> None:
    sink = SlowSink()
    lane = Lane("file", sink.append, 10, 0.01)
    lane.offer(ENTRY)
    with capture_logs() as lines:
        writing = asyncio.create_task(lane.write())
        await until(lambda: lane.problem == "it does not answer")
        sink.released.set()
        assert await writing == (ENTRY,)
    assert (lane.problem, sink.taken, len(lane)) == (None, [ENTRY], 0)
    assert [line["event"] for line in lines] == ["audit.sink_away", "audit.sink_back"]
