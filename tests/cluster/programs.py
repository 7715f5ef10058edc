"""Servers of other makers that tests run: real ones, of the system's packages."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.processes import eventually
from tests.valkey import die_with_parent


def program(name: str) -> str:
    """Where a program is; fails when it is missing, for nothing is skipped."""
    # Debian has haproxy where only root looks.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert found is not None, f"{name} is needed: scripts/cluster.sh installs it"
    return found


@contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; what it says goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def says(log: Path, text: str) -> bool:
    """Wait until a server has said something."""
    return eventually(lambda: text in log.read_text())
