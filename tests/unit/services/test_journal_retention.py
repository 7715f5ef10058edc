"""Placements leave the journal, which is in a real Valkey, once they stand in the export."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.domain.leadership import Leadership
from gateway.domain.placements import Placement, PlacementState
from gateway.services.journal_retention import JournalRetention, to_line
from gateway.services.loops import end_all
from gateway.store.journal import OrderJournal
from gateway.store.line_file import LineFile, LineOutput
from tests.unit.store.examples import accepted, in_state, open_quick, placement
from tests.unit.store.journals import begin, ended_at, journal_of, journal_on
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOW = 1_000_000
KEEP_MS = 400_000
DUE = NOW - KEEP_MS
OFTEN_S = 0.01
LEADERSHIP = Leadership("demo", "one", 1)


@pytest.fixture
async def journal(valkey: ValkeyServer) -> AsyncIterator[OrderJournal]:
    async with journal_of(valkey) as (journal, _):
        yield journal


async def ended(journal: OrderJournal, number: int, at: int) -> Placement:
    begun = await begin(journal, placement(number, client_order_id=f"c-{number}"))
    outcome = await journal.finish(accepted(begun, f"o-{number}"))
    await ended_at(journal._redis, outcome, at)  # noqa: SLF001 - its outcome is of today
    return outcome


def retention(
    journal: OrderJournal,
    export: LineFile | LineOutput,
    every_s: float = OFTEN_S,
    open_ids: frozenset[str] | None = frozenset(),
) -> JournalRetention:
    return JournalRetention(
        journal=journal,
        export=export,
        open_orders=lambda _: open_ids,
        keep_ms=KEEP_MS,
        wall_ms=lambda: NOW,
        every_s=every_s,
    )


def exported(lines: str) -> list[Placement]:
    return [
        msgspec.convert(json.loads(line)["placement"], Placement) for line in lines.splitlines()
    ]


async def until(done: Callable[[], bool]) -> None:
    while True:
        if done():
            return
        await asyncio.sleep(OFTEN_S)


@contextmanager
def no_folder(path: Path) -> Iterator[None]:
    """Take the folder of a file away for a while."""
    away = path.parent.with_name("away")
    path.parent.rename(away)
    try:
        yield
    finally:
        away.rename(path.parent)


async def test_what_ended_long_ago_is_exported_as_it_was_and_then_gone(
    journal: OrderJournal, tmp_path: Path
) -> None:
    path = tmp_path / "placements.jsonl"
    old = [await ended(journal, number, DUE - number) for number in range(1, 4)]
    recent = await ended(journal, 9, DUE)
    keeping = retention(journal, LineFile(path, name="journal_export"))
    running = asyncio.create_task(keeping.run(LEADERSHIP))
    await until(lambda: keeping.exported == len(old))
    await end_all([running])
    assert sorted(exported(path.read_text()), key=lambda each: each.id) == old
    assert path.stat().st_mode & 0o777 == 0o600
    assert [await journal.get(each.id) for each in old] == [None] * 3
    assert await journal.get(recent.id) == recent
    assert keeping.problem is None


async def test_a_backlog_is_worked_off_at_once_each_placement_one_time(
    journal: OrderJournal,
) -> None:
    output = StringIO()
    old = [await ended(journal, number, DUE - 1) for number in range(1, 251)]
    keeping = retention(journal, LineOutput(output), every_s=3600)
    running = asyncio.create_task(keeping.run(LEADERSHIP))
    await until(lambda: keeping.exported == len(old))
    await end_all([running])
    assert sorted(each.id for each in exported(output.getvalue())) == [each.id for each in old]


async def test_what_has_no_outcome_stays_however_old(journal: OrderJournal) -> None:
    output = StringIO()
    sending = await begin(journal, placement(1))
    old = await ended(journal, 2, DUE - 1)
    keeping = retention(journal, LineOutput(output))
    running = asyncio.create_task(keeping.run(LEADERSHIP))
    await until(lambda: keeping.exported == 1)
    await end_all([running])
    assert exported(output.getvalue()) == [old]
    assert await journal.get(sending.id) == sending


@pytest.mark.parametrize("open_ids", [frozenset({"o-1"}), None], ids=["listed", "not known"])
async def test_what_may_still_rest_in_the_book_stays_with_its_owner(
    journal: OrderJournal, open_ids: frozenset[str] | None
) -> None:
    output = StringIO()
    resting = await ended(journal, 1, DUE - 2)
    begun = await begin(journal, placement(2, client_order_id="c-2"))
    rejected = in_state(begun, PlacementState.REJECTED)
    gone = await journal.finish(rejected)
    await ended_at(journal._redis, gone, DUE - 1)  # noqa: SLF001 - as above
    keeping = retention(journal, LineOutput(output), open_ids=open_ids)
    running = asyncio.create_task(keeping.run(LEADERSHIP))
    await until(lambda: keeping.exported == 1)
    await end_all([running])
    assert exported(output.getvalue()) == [gone]
    assert await journal.get(resting.id) == resting


async def test_while_the_export_takes_nothing_nothing_is_dropped_and_it_is_told_once(
    journal: OrderJournal, tmp_path: Path
) -> None:
    path = tmp_path / "export" / "placements.jsonl"
    path.parent.mkdir()
    old = await ended(journal, 1, DUE - 1)
    keeping = retention(journal, LineFile(path, name="journal_export"))
    with capture_logs() as lines, no_folder(path):
        running = asyncio.create_task(keeping.run(LEADERSHIP))
        await asyncio.sleep(20 * OFTEN_S)
        assert await journal.get(old.id) == old
        assert keeping.problem == "demo: the export takes no placements (No such file or directory)"
    assert [line["event"] for line in lines] == ["journal.not_exported"]
    await until(lambda: keeping.problem is None)
    await end_all([running])
    assert exported(path.read_text()) == [old]


async def test_while_redis_is_away_it_is_told_and_nothing_is_exported() -> None:
    output = StringIO()
    async with open_quick("redis://127.0.0.1:1") as away:
        keeping = retention(journal_on(away), LineOutput(output))
        running = asyncio.create_task(keeping.run(LEADERSHIP))
        await until(lambda: keeping.problem is not None)
        assert keeping.problem == "demo: the journal cannot be read or written (NotLookedUp)"
        await end_all([running])
    assert output.getvalue() == ""
    # Who leads by now may have no such trouble.
    assert keeping.problem is None


async def test_a_placement_that_could_not_be_dropped_stands_in_the_export_twice_and_is_not_lost(
    own_valkey: ValkeyServer,
) -> None:
    output = StringIO()
    async with journal_of(own_valkey) as (journal, _):
        old = await ended(journal, 1, DUE - 1)
        own_valkey.command("ACL", "SETUSER", "default", "-del")
        keeping = retention(journal, LineOutput(output))
        running = asyncio.create_task(keeping.run(LEADERSHIP))
        await until(lambda: output.getvalue().count("\n") >= 2)
        assert await journal.get(old.id) == old
        own_valkey.command("ACL", "SETUSER", "default", "+del")
        await until(lambda: keeping.exported == 1)
        await end_all([running])
        assert await journal.get(old.id) is None
    assert set(map(repr, exported(output.getvalue()))) == {repr(old)}


def test_a_line_holds_exact_decimals_and_names_what_it_is() -> None:
    line = to_line(in_state(placement(), PlacementState.IN_DOUBT))
    assert line.endswith("}\n")
    assert json.loads(line)["placement"]["command"]["spec"]["price"] == "53963.10"
