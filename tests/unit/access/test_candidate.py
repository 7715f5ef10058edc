import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.candidate import CandidateFile
from gateway.access.policy import Policy

pytestmark = pytest.mark.anyio


def text(account: str) -> str:
    return f"version: 1\naccounts: [{account}]\nprincipals: []\n"


def put(path: Path, content: str) -> None:
    """Write at once: a watcher sees the old file or the new, never half of one."""
    path.with_suffix(".new").write_text(content)
    path.with_suffix(".new").rename(path)


@asynccontextmanager
async def watched(
    file: CandidateFile, on_refused: Callable[[], None] = lambda: None
) -> AsyncIterator[list[Policy]]:
    changes: list[Policy] = []
    task = asyncio.create_task(file.watch(0.005, changes.append, on_refused))
    try:
        yield changes
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what changes is a file's effect, which has no event
            await asyncio.sleep(0.002)


async def test_no_file_is_a_problem_until_there_is_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "candidate.yaml"
    with capture_logs() as logs:
        file = CandidateFile(path, lambda: 0)
        assert file.current is None
        assert file.problem == "cannot be read: No such file or directory"
        refusals: list[str | None] = []
        async with watched(file, lambda: refusals.append(file.problem)) as changes:
            put(path, "version: 2\n")
            await until(lambda: file.problem is not None and "version" in file.problem)
            await asyncio.sleep(0.05)
            assert file.current is None
            assert refusals == [file.problem]
            put(path, text("first"))
            await until(lambda: bool(changes))
            put(path, text("second"))
            await until(lambda: len(changes) > 1)
    assert [policy.accounts for policy in changes] == [("first",), ("second",)]
    assert file.current is changes[-1]
    assert file.problem is None
    assert {(entry["event"], entry["role"]) for entry in logs} == {
        ("policy.refused", "candidate"),
        ("policy.changed", "candidate"),
    }
    assert [entry["event"] for entry in logs].count("policy.refused") == 2


async def test_a_file_gone_bad_leaves_the_candidate_before_it(tmp_path: Path) -> None:
    path = tmp_path / "candidate.yaml"
    path.write_text(text("first"))
    file = CandidateFile(path, lambda: 0)
    before = file.current
    assert before is not None
    async with watched(file):
        put(path, "nonsense")
        await until(lambda: file.problem is not None)
        assert file.current is before
        put(path, text("first"))
        await until(lambda: file.problem is None)
