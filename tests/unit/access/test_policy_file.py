import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.faults import BadPolicy
from gateway.access.policy import Policy
from gateway.access.policy_file import PolicyFile

pytestmark = pytest.mark.anyio


def text(account: str) -> str:
    return f"version: 1\naccounts: [{account}]\nprincipals: []\n"


def put(path: Path, content: str) -> None:
    """Write at once: a watcher sees the old file or the new, never half of one."""
    path.with_suffix(".new").write_text(content)
    path.with_suffix(".new").rename(path)


def remove(path: Path) -> None:
    path.unlink()


def swap(link: Path, target: str) -> None:
    """Let a link lead elsewhere, as Kubernetes does when a Secret changes."""
    link.with_suffix(".tmp").symlink_to(target)
    link.with_suffix(".tmp").rename(link)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(text("first"))
    return file


def opened(path: Path) -> PolicyFile:
    return PolicyFile(path, lambda: 0)


@asynccontextmanager
async def watched(
    file: PolicyFile, on_refused: Callable[[], None] = lambda: None
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


def test_the_file_is_in_force_at_once(path: Path) -> None:
    assert opened(path).current.accounts == ("first",)
    assert opened(path).problem is None


def test_a_bad_file_to_begin_with_is_refused(path: Path) -> None:
    path.write_text("version: 1\n")
    with pytest.raises(BadPolicy, match="'accounts' is missing"):
        opened(path)


def test_no_file_to_begin_with_is_refused(path: Path) -> None:
    path.unlink()
    with pytest.raises(BadPolicy, match="cannot be read: No such file or directory"):
        opened(path)


async def test_a_changed_file_comes_into_force_and_is_told_once(path: Path) -> None:
    file = opened(path)
    async with watched(file) as changes:
        put(path, text("second"))
        await until(lambda: bool(changes))
        put(path, text("third"))
        await until(lambda: len(changes) > 1)
    assert [policy.accounts for policy in changes] == [("second",), ("third",)]
    assert file.current is changes[-1]


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder as Kubernetes mounts a Secret: the file, through a link to one of two folders."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text(name))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    return tmp_path


async def test_a_swapped_link_above_the_file_is_noticed(mounted: Path) -> None:
    file = opened(mounted / "policy.yaml")
    async with watched(file) as changes:
        swap(mounted / "..data", "two")
        await until(lambda: bool(changes))
    assert file.current.accounts == ("two",)


@pytest.mark.parametrize("damage", ["nonsense", "removed"])
async def test_a_bad_file_changes_nothing_and_is_told_once_until_it_is_mended(
    path: Path, damage: str
) -> None:
    file = opened(path)
    before = file.current
    refusals: list[str | None] = []
    async with watched(file, lambda: refusals.append(file.problem)) as changes:
        with capture_logs() as logs:
            if damage == "removed":
                remove(path)
            else:
                put(path, "version: 2\n")
            await until(lambda: file.problem is not None)
            assert file.current is before
            await asyncio.sleep(0.05)
        assert [entry["event"] for entry in logs] == ["policy.refused"]
        assert refusals == [file.problem]
        put(path, text("first"))
        await until(lambda: file.problem is None)
        assert changes == []
        put(path, text("second"))
        await until(lambda: bool(changes))
    assert file.current.accounts == ("second",)


async def test_one_bad_file_after_another_tells_the_newer_problem(path: Path) -> None:
    file = opened(path)
    async with watched(file):
        put(path, text("first").replace("version: 1", "version: 2"))
        await until(lambda: file.problem == "line 1: 'version' must be 1")
        put(path, text("'a b'"))
        await until(
            lambda: file.problem == "line 2: account id: expected 1 to 64 of A-Z a-z 0-9 . _ -"
        )
