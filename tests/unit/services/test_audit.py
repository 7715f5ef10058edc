"""The audit trail, on a real Valkey and a real file."""

import asyncio
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.domain.audit import AuditKind
from gateway.domain.audit_chain import is_whole
from gateway.domain.errors import AuditUnavailable
from gateway.services.audit import new_writer
from tests.unit.services.audit_examples import (
    actions,
    event,
    in_file,
    in_redis,
    trail_of,
    writing,
)
from tests.unit.services.examples import until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


async def test_what_is_noted_is_in_both_sinks_in_one_whole_chain(
    valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(valkey, path) as trail, writing(trail):
        for number in range(5):
            trail.note(event(f"call-{number}"))
        await trail.finish()
        stood = in_file(path)
        assert await in_redis(valkey) == stood
    assert actions(stood) == [f"call-{number}" for number in range(5)]
    assert all(map(is_whole, stood))
    assert [entry.sequence for entry in stood] == list(range(1, len(stood) + 1))
    assert [entry.previous for entry in stood] == ["", *(entry.digest for entry in stood[:-1])]


async def test_what_is_required_is_durable_when_the_caller_goes_on(
    valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(valkey, path) as trail, writing(trail):
        await trail.require(event("withdraw"))
        assert "withdraw" in actions(in_file(path)) + actions(await in_redis(valkey))


async def test_with_redis_away_the_file_suffices_and_redis_gets_the_rest_later(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(own_valkey, path) as trail, writing(trail):
        await asyncio.to_thread(own_valkey.stop)
        await trail.require(event("a"))
        assert actions(in_file(path)) == ["a"]
        await until(lambda: trail.problem is not None)
        assert "redis takes no entries (ConnectionError)" in str(trail.problem)
        await asyncio.to_thread(own_valkey.start)
        await until(lambda: trail.problem is None)
        await trail.caught_up()
    assert actions(await in_redis(own_valkey)) == ["a"]


async def test_without_the_file_redis_suffices(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with trail_of(valkey, tmp_path / "absent" / "audit.jsonl") as trail, writing(trail):
        await trail.require(event("a"))
        await until(lambda: trail.problem is not None)
        assert "file takes no entries (No such file or directory)" in str(trail.problem)
    assert actions(await in_redis(valkey)) == ["a"]


async def test_with_both_sinks_away_what_is_required_is_refused_and_the_refusal_put_on_record(
    own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    path = tmp_path / "later" / "audit.jsonl"
    async with trail_of(own_valkey, path) as trail, writing(trail):
        await asyncio.to_thread(own_valkey.stop)
        for _ in range(2):
            with pytest.raises(AuditUnavailable):
                await trail.require(event("order/limit"))
        trail.note(event("order/cancel", outcome="OK"))
        path.parent.mkdir()
        await until(lambda: path.exists() and len(in_file(path)) >= 4)
    told = [(e.event.action, e.event.outcome) for e in in_file(path)]
    assert told.count(("order/limit", "AUDIT_UNAVAILABLE")) == 2
    assert told[-1] == ("order/cancel", "OK")


async def test_a_silent_redis_and_no_file_refuse_too(
    own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with trail_of(own_valkey, tmp_path / "absent" / "x") as trail, writing(trail):
        await trail.require(event("a"))
        own_valkey.pause()
        with pytest.raises(AuditUnavailable):
            await trail.require(event("b"))
        own_valkey.resume()


async def test_events_that_find_no_room_are_counted_in_one_entry(
    own_valkey: ValkeyServer,
) -> None:
    missing = count()
    lose = partial(next, missing)
    async with trail_of(own_valkey, None, spool_limit=10, on_lost=lose) as trail:
        for number in range(25):
            trail.note(event(f"call-{number}"))
        assert next(missing) == 16, "the first entry tells of the start"
        assert "16 events found no room" in str(trail.problem)
        async with writing(trail):
            await until(lambda: trail.problem is None)
            await trail.caught_up()
    entries = await in_redis(own_valkey)
    (lost,) = [entry.event for entry in entries if entry.event.kind is AuditKind.LOST]
    assert lost.detail == {"count": "16"}


async def test_a_sink_that_was_away_for_long_is_told_what_it_lacks(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(own_valkey, path, spool_limit=5) as trail, writing(trail):
        await trail.require(event("before"))
        await asyncio.to_thread(own_valkey.stop)
        for number in range(20):
            await trail.require(event(f"call-{number}"))
        await asyncio.to_thread(own_valkey.start)
        await until(lambda: trail.problem is None)
        await trail.caught_up()
        stood = in_file(path)
    there = await in_redis(own_valkey)
    assert len(actions(stood)) == 22, "all, and what is said of the hole"
    (lost,) = [entry.event for entry in there if entry.event.kind is AuditKind.LOST]
    lacking = {entry.sequence for entry in stood} - {entry.sequence for entry in there}
    assert lost.detail["sink"] == "redis"
    assert lacking == set(range(int(lost.detail["first"]), int(lost.detail["last"]) + 1))


async def test_a_flood_of_equal_events_becomes_two_entries(
    valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(valkey, path) as trail, writing(trail):
        for _ in range(1_000):
            denial = event("authenticate", kind=AuditKind.DENIED, detail={})
            trail.note_often("bad token", denial, denial)
        await trail.finish()
        told = [entry.event for entry in in_file(path) if entry.event.kind is AuditKind.DENIED]
    assert [dict(each.detail) for each in told] == [{}, {"count": "999"}]


async def test_what_is_too_unlike_to_merge_is_counted_and_is_no_fault_of_a_sink(
    valkey: ValkeyServer, path: Path
) -> None:
    missing = count()
    lose = partial(next, missing)
    async with (
        trail_of(valkey, path, spool_limit=5_000, on_lost=lose) as trail,
        writing(trail),
    ):
        for number in range(1_005):
            denial = event(kind=AuditKind.DENIED)
            trail.note_often(number, denial, denial)
        assert (next(missing), trail.problem) == (5, None)
        await trail.finish()
        entries = [entry.event for entry in in_file(path)]
    (lost,) = [each for each in entries if each.kind is AuditKind.LOST]
    assert (lost.action, lost.detail) == ("unlike", {"count": "5"})
    assert sum(each.kind is AuditKind.DENIED for each in entries) == 1_000


async def test_what_is_given_up_before_it_was_on_record_is_on_record_as_not_sent(
    valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(valkey, path) as trail:
        required = asyncio.create_task(trail.require(event("limit-buy")))
        await asyncio.sleep(0)
        required.cancel()
        await asyncio.gather(required, return_exceptions=True)
        async with writing(trail):
            await trail.caught_up()
        events = [entry.event for entry in in_file(path)]
    told = [(each.action, each.outcome) for each in events if each.kind is AuditKind.ORDER]
    assert told == [("limit-buy", "SENDING"), ("limit-buy", "NOT_SENT")]


async def test_an_anchor_names_the_heads_of_the_other_writers_and_the_log_ones_own(
    valkey: ValkeyServer, path: Path
) -> None:
    async with trail_of(valkey, path, writer="other") as other, writing(other):
        other.note(event("a"))
        await other.finish()
    with capture_logs() as lines:
        async with trail_of(valkey, path, writer="mine") as mine, writing(mine):
            await mine.finish()
    last_of_other = [entry for entry in in_file(path) if entry.writer == "other"][-1]
    anchors = [
        e.event for e in in_file(path) if e.writer == "mine" and e.event.kind is AuditKind.ANCHOR
    ]
    assert f"{last_of_other.sequence} {last_of_other.digest}" in anchors[0].detail["other"]
    heads = [line for line in lines if line["event"] == "audit.head"]
    mine_last = [entry for entry in in_file(path) if entry.writer == "mine"][-1]
    assert heads[-1]["writer"] == "mine"
    assert heads[-1]["digest"] == mine_last.digest


async def test_an_idle_writer_anchors_no_anchors(valkey: ValkeyServer, path: Path) -> None:
    with capture_logs() as lines:
        async with trail_of(valkey, path, anchor_s=0.01) as trail, writing(trail):
            await until(lambda: sum(line["event"] == "audit.head" for line in lines) >= 5)
    anchors = [entry for entry in in_file(path) if entry.event.kind is AuditKind.ANCHOR]
    assert len(anchors) == 1


def test_a_writer_has_a_name_of_its_own() -> None:
    assert new_writer("pod-7", 1_800_000_000_000, bytes) == "pod-7-1800000000000-00000000"
