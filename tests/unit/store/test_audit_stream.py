"""The audit log in a real Valkey."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.domain.audit import AuditEntry, AuditKind
from gateway.domain.audit_chain import Head, first_or_next, from_text, to_text
from gateway.domain.errors import BadUserInput
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import StoreUnavailable
from tests.unit.services.audit_examples import DAY_MS, event
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


def entries(count: int, writer: str = "w", **changes: object) -> list[AuditEntry]:
    made: list[AuditEntry] = []
    for number in range(count):
        head = Head.of(made[-1]) if made else None
        made.append(first_or_next(head, writer, number, event(f"call-{number}", **changes)))
    return made


def anything(_: AuditEntry) -> bool:
    return True


async def standing(stream: AuditStream) -> list[AuditEntry]:
    return [from_text(text) async for _, text in stream.follow()]


async def test_appending_again_after_a_lost_answer_doubles_nothing(redis: Redis) -> None:
    stream, made = AuditStream(redis, retention_ms=DAY_MS), entries(5)
    await stream.append(made[:3])
    await stream.append(made[1:])
    assert await standing(stream) == made
    assert (await stream.marks()).heads == {"w": Head.of(made[-1])}


async def test_pages_go_on_where_the_one_before_ended_whatever_is_appended(redis: Redis) -> None:
    stream, made = AuditStream(redis, retention_ms=DAY_MS), entries(7)
    await stream.append(made[:6])
    one = await stream.page(first=4, after=None, wanted=anything)
    await stream.append(made[6:])
    two = await stream.page(first=4, after=one.end, wanted=anything)
    assert [entry for _, entry in (*one.entries, *two.entries)] == made[:6][::-1]
    assert (one.has_next, two.has_next) == (True, False)


async def test_a_page_shows_what_is_wanted_and_ends_after_bounded_work(redis: Redis) -> None:
    stream = AuditStream(redis, retention_ms=DAY_MS)
    await stream.append(entries(1, "rare", kind=AuditKind.DENIED))
    many = entries(5_100)
    for start in range(0, 5_100, 300):
        await stream.append(many[start : start + 300])

    def rare(entry: AuditEntry) -> bool:
        return entry.event.kind is AuditKind.DENIED

    short = await stream.page(first=10, after=None, wanted=rare)
    assert (short.entries, short.has_next) == ((), True)
    rest = await stream.page(first=10, after=short.end, wanted=rare)
    assert [entry.writer for _, entry in rest.entries] == ["rare"]
    assert not rest.has_next


@pytest.mark.parametrize("cursor", ["", "x", "1-1", "KzEtMQ==", "LTEtMQ=="])
async def test_what_is_no_cursor_is_bad_input(redis: Redis, cursor: str) -> None:
    stream = AuditStream(redis, retention_ms=DAY_MS)
    with pytest.raises(BadUserInput):
        await stream.page(first=1, after=cursor, wanted=anything)


async def test_what_is_no_entry_is_left_out_of_pages(redis: Redis) -> None:
    stream, made = AuditStream(redis, retention_ms=DAY_MS), entries(1)
    await redis.xadd("ngw:1:audit:{log}:entries", {"entry": "{}"})
    await redis.xadd("ngw:1:audit:{log}:entries", {"other": "x"})
    await stream.append(made)
    page = await stream.page(first=10, after=None, wanted=anything)
    assert [entry for _, entry in page.entries] == made


async def append_of_before(redis: Redis, made: list[AuditEntry], age_ms: int) -> int:
    """Append entries as they were appended `age_ms` ago; return when that was."""
    seconds, micros = await redis.time()
    at = seconds * 1000 + micros // 1000 - age_ms
    for entry in made:
        head = str(Head.of(entry))
        fields = {"entry": to_text(entry), "writer": entry.writer, "head": head}
        await redis.xadd("ngw:1:audit:{log}:entries", fields, f"{at}-{entry.sequence}")  # type: ignore[arg-type]
        await redis.hset("ngw:1:audit:{log}:heads", entry.writer, head)
    return int(at)


async def test_what_is_too_old_goes_and_the_base_stays_until_the_writer_is_gone(
    redis: Redis,
) -> None:
    made = entries(500)
    at = await append_of_before(redis, made[:450], 2 * DAY_MS)
    stream = AuditStream(redis, retention_ms=DAY_MS)
    await stream.append(made[450:])
    assert await stream.trim() == 450
    marks = await stream.marks()
    assert marks.bases == {"w": Head.of(made[449])}
    assert marks.heads == {"w": Head.of(made[-1])}
    assert at + DAY_MS <= marks.trimmed_before <= at + 2 * DAY_MS
    assert await standing(stream) == made[450:]
    assert await AuditStream(redis, retention_ms=-DAY_MS).trim() == 50
    marks = await stream.marks()
    assert (marks.heads, marks.bases) == ({}, {})


async def test_of_too_many_the_oldest_go_and_the_base_stays(redis: Redis) -> None:
    made = entries(500)
    at = await append_of_before(redis, made[:450], 2 * DAY_MS)
    stream = AuditStream(redis, retention_ms=3 * DAY_MS, most=60)
    await stream.append(made[450:])
    assert await stream.trim() == 440
    marks = await stream.marks()
    assert marks.bases == {"w": Head.of(made[439])}
    assert marks.trimmed_before == at + 1
    assert await standing(stream) == made[440:]
    assert await stream.trim() == 0


async def test_until_when_everything_is_gone_never_goes_back(redis: Redis) -> None:
    await AuditStream(redis, retention_ms=DAY_MS).trim()
    stream = AuditStream(redis, retention_ms=2 * DAY_MS)
    before = await stream.marks()
    await stream.trim()
    assert (await stream.marks()).trimmed_before == before.trimmed_before


async def test_a_retention_beyond_the_beginning_of_time_takes_nothing_off(redis: Redis) -> None:
    stream = AuditStream(redis, retention_ms=100_000 * DAY_MS)
    await stream.append(entries(1))
    assert await stream.trim() == 0
    assert (await stream.marks()).trimmed_before == 0


async def test_without_redis_everything_is_unavailable() -> None:
    async with open_quick("redis://127.0.0.1:1") as nowhere:
        stream = AuditStream(nowhere, retention_ms=DAY_MS)
        for attempt in (
            stream.append(entries(1)),
            stream.trim(),
            stream.marks(),
            stream.newest(1),
            stream.page(first=1, after=None, wanted=anything),
        ):
            with pytest.raises(StoreUnavailable):
                await attempt
