"""The audit log's file: whole lines, or none."""

import asyncio
import fcntl
import io
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import Head, first_or_next
from gateway.store.audit_file import AuditFile, AuditOutput, audit_file, to_line
from tests.unit.services.audit_examples import event, in_file

pytestmark = pytest.mark.anyio


def entries(count: int, writer: str = "w") -> list[AuditEntry]:
    made: list[AuditEntry] = []
    for number in range(count):
        head = Head.of(made[-1]) if made else None
        made.append(first_or_next(head, writer, number, event(f"call-{number}")))
    return made


@contextmanager
def no_file_beyond(octets: int) -> Iterator[None]:
    """Let the kernel write no file further than this: it takes what fits, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_batches_follow_each_other_in_a_file_that_only_its_owner_reads(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    made = entries(5)
    file = AuditFile(path)
    await file.append(made[:3])
    await file.append(made[3:])
    assert in_file(path) == made
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_leaves_whole_lines_and_what_failed_can_follow_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    made = entries(40)
    file = AuditFile(path)
    await file.append(made[:1])
    with no_file_beyond(path.stat().st_size + 1_000), pytest.raises(OSError, match="too large"):
        await file.append(made[1:])
    assert in_file(path) == made[:1]
    await file.append(made[1:])
    assert in_file(path) == made


async def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    made = entries(3)
    torn = to_line(made[2])[:-20]
    path.write_text("".join(map(to_line, made[:2])) + torn)
    with capture_logs() as lines:
        await AuditFile(path).append(made[2:])
    assert in_file(path) == made
    assert lines == [
        {
            "event": "audit.torn_line_cut",
            "path": str(path),
            "octets": len(torn),
            "log_level": "warning",
        }
    ]


async def test_a_file_of_one_torn_line_that_is_longer_than_a_block_is_emptied(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("x" * 200_000)
    await AuditFile(path).append(entries(1))
    assert in_file(path) == entries(1)


async def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.1.jsonl"
    made = entries(2)
    file = AuditFile(path)
    await file.append(made[:1])
    path.rename(moved)
    await file.append(made[1:])
    assert in_file(moved) + in_file(path) == made


async def test_writers_that_share_a_file_tear_no_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async def write(writer: str) -> None:
        for entry in entries(50, writer):
            await AuditFile(path).append([entry])

    await asyncio.gather(write("a"), write("b"), write("c"))
    stood = in_file(path)
    for writer in "abc":
        assert [entry for entry in stood if entry.writer == writer] == entries(50, writer)


async def test_a_batch_that_is_given_again_after_it_was_cancelled_stands_there_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    made = entries(3)
    file = AuditFile(path)
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        given = asyncio.create_task(file.append(made[:2]))
        await asyncio.sleep(0.05)
        given.cancel()
        await asyncio.gather(given, return_exceptions=True)
    await file.append(made)
    assert in_file(path) == made


async def test_a_folder_that_is_not_there_fails() -> None:
    with pytest.raises(FileNotFoundError):
        await AuditFile(Path("/absent/audit.jsonl")).append(entries(1))


async def test_standard_output_gets_the_same_lines() -> None:
    output = io.StringIO()
    sink = audit_file("-", output)
    assert isinstance(sink, AuditOutput)
    await sink.append(entries(2))
    assert output.getvalue() == "".join(map(to_line, entries(2)))
    assert list(json.loads(output.getvalue().splitlines()[0])) == ["audit"]


async def test_an_output_that_is_closed_fails_as_one_whose_reader_is_gone() -> None:
    output = io.StringIO()
    output.close()
    with pytest.raises(OSError, match="closed"):
        await AuditOutput(output).append(entries(1))


async def test_an_output_whose_reader_is_gone_fails() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        with pytest.raises(BrokenPipeError):
            await AuditOutput(output).append(entries(1))
        # Closing would try again to write what is left in the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
