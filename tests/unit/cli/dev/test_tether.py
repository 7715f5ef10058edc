"""A tied process ends with its parent, however the parent ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.dev import tether
from tests.processes import eventually, is_running

# A parent that starts a tied process, tells its pid, and stays until it is killed.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(600)
"""
TIED = """
import os, signal, time
from gateway.cli.dev import tether
{prelude}
tether.tie(os.getppid(), signal.{signum}, kernel={kernel})
print(os.getpid(), flush=True)
time.sleep(600)
print("ended in order", flush=True)
"""
IN_ORDER = "signal.signal(signal.SIGTERM, lambda *_: (print('in order', flush=True), os._exit(0)))"


def start_parent(
    signum: str = "SIGKILL", *, kernel: bool = True, prelude: str = ""
) -> tuple[subprocess.Popen[str], int]:
    tied = TIED.format(signum=signum, kernel=kernel, prelude=prelude)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tied], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "watcher"])
def test_a_tied_process_is_killed_when_its_parent_is(*, kernel: bool) -> None:
    parent, tied = start_parent(kernel=kernel)
    with parent:
        assert is_running(tied)
        parent.kill()
        parent.wait()
        assert eventually(lambda: not is_running(tied))


@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "watcher"])
def test_a_process_tied_by_sigterm_may_end_in_order(*, kernel: bool) -> None:
    parent, _tied = start_parent("SIGTERM", kernel=kernel, prelude=IN_ORDER)
    with parent:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        assert parent.stdout.read() == "in order\n"


def test_the_watcher_ends_with_the_process_it_watches_for() -> None:
    parent, tied = start_parent(kernel=False)
    with parent:
        children = Path(f"/proc/{tied}/task/{tied}/children")
        (watcher,) = map(int, children.read_text().split())
        os.kill(tied, signal.SIGKILL)
        assert eventually(lambda: not is_running(watcher))
        parent.kill()


def test_a_process_whose_parent_has_gone_before_it_was_tied_ends_at_once() -> None:
    # The test's own parent is none of the process that it starts.
    script = [sys.executable, tether.__file__, str(os.getppid()), "/bin/echo", "alive"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (125, "")


def test_the_tie_becomes_the_command_and_keeps_its_pid() -> None:
    script = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
    command = ["/bin/sh", "-c", "echo $$"]
    with subprocess.Popen([*script, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid
