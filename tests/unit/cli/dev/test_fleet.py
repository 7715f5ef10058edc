"""Servers are started in turn, watched, and stopped in the opposite order."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.processes import Program, ServerFailed
from tests.processes import eventually, is_running

HOST = """
import asyncio, sys
from functools import partial
from pathlib import Path
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.processes import Program

say = partial(print, flush=True)

async def main(folder, script):
    async with Fleet(say) as fleet:
        for name in ("first", "second"):
            command = ["/bin/sh", "-c", script]
            log = folder / f"{name}.log"
            ready = lambda: "ready" in log.read_text()
            await fleet.start(Program(name, command, {}, log, ready))
        say("ready", *(server.pid for server in fleet.servers))
        await fleet.unless_one_ends(asyncio.Event().wait())
    say("over")

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""
WILLING = "echo ready; exec sleep 600"
UNWILLING = "trap '' TERM INT HUP; echo ready; while :; do sleep 0.1; done"


@contextmanager
def host(folder: Path, script: str = WILLING) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process with a fleet of two; and their pids."""
    command = [sys.executable, "-c", HOST, str(folder), script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, *pids = process.stdout.readline().split()
        assert word == "ready"
        try:
            yield process, [int(pid) for pid in pids]
        finally:
            process.kill()


def sleeper(folder: Path, script: str = WILLING) -> Program:
    return Program("sleeper", ["/bin/sh", "-c", script], {}, folder / "sleeper.log", lambda: True)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_servers_in_the_opposite_order(
    tmp_path: Path, signum: signal.Signals
) -> None:
    with host(tmp_path) as (process, pids):
        process.send_signal(signum)
        output, _ = process.communicate(timeout=20)
        assert output.splitlines() == ["Stopping second", "Stopping first", "over"]
        assert process.returncode == 0
        assert not any(map(is_running, pids))


def test_a_second_signal_kills_what_does_not_stop(tmp_path: Path) -> None:
    with host(tmp_path, UNWILLING) as (process, pids):
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "Stopping second\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=4)
        assert process.returncode == 0
        assert not any(map(is_running, pids))


def test_kill_9_leaves_no_server_behind(tmp_path: Path) -> None:
    with host(tmp_path, UNWILLING) as (process, pids):
        assert all(map(is_running, pids))
        process.kill()
        assert eventually(lambda: not any(map(is_running, pids)))


@pytest.mark.anyio
async def test_a_server_that_dies_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = Program(
        "doomed",
        ["/bin/sh", "-c", "seq 100; echo no memory >&2; exit 3"],
        {"PATH": "/usr/bin:/bin"},
        tmp_path / "doomed.log",
        lambda: False,
    )
    said: list[str] = []
    with pytest.raises(ServerFailed) as failed:
        async with Fleet(said.append) as fleet:
            await fleet.start(program)
    text = str(failed.value)
    assert text.startswith("doomed ended by itself (exit status 3); the end of ")
    assert text.splitlines()[-2:] == ["  100", "  no memory"]
    assert "  50" not in text.splitlines()


@pytest.mark.anyio
async def test_when_one_server_dies_the_others_are_stopped(tmp_path: Path) -> None:
    dying = Program(
        "dying",
        ["/bin/sh", "-c", "kill -SEGV $$"],
        {},
        tmp_path / "dying.log",
        lambda: False,
    )
    fleet = Fleet(lambda _line: None)

    async def start_both() -> None:
        async with fleet:
            await fleet.start(sleeper(tmp_path))
            await fleet.start(dying)

    with pytest.raises(ServerFailed, match="SIGSEGV"):
        await start_both()
    assert not any(is_running(server.pid) for server in fleet.servers)


@pytest.mark.anyio
async def test_a_server_gets_the_given_environment_and_no_other(tmp_path: Path) -> None:
    program = sleeper(tmp_path, "env; " + WILLING)
    program = Program("env", program.command, {"ONLY": "this"}, program.log_file, program.ready)
    async with Fleet(lambda _line: None) as fleet:
        await fleet.start(program)
        assert eventually(lambda: "ready" in program.log_file.read_text())
    names = {line.partition("=")[0] for line in program.log_file.read_text().splitlines()}
    # The others are the shell's own, and Python's in a C locale.
    assert names - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == {"ONLY", "ready"}


@pytest.mark.anyio
async def test_a_log_is_for_its_owner_only(tmp_path: Path) -> None:
    program = sleeper(tmp_path, "exec sleep 600")
    async with Fleet(lambda _line: None) as fleet:
        await fleet.start(program)
        assert program.log_file.stat().st_mode & 0o777 == 0o600


def test_a_ctrl_c_in_the_terminal_reaches_no_server_by_itself(tmp_path: Path) -> None:
    # A terminal signals the whole process group of what runs in it.
    with host(tmp_path) as (process, pids):
        assert os.getpgid(process.pid) not in {os.getpgid(pid) for pid in pids}
