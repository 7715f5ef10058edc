"""A server as a child process: tied to this process, awaited until ready, stopped in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.cli.dev import private, tether

_LOG_LINES = 15
_GRACE_S = 5.0
_PATIENCE_S = 30.0


@dataclass(eq=False)
class ServerFailed(Exception):
    """A server ended or did not become ready; `log` has the last lines of `log_file`."""

    name: str
    reason: str
    log_file: Path
    log: tuple[str, ...]

    def __str__(self) -> str:
        """Say what happened, and show the log's end."""
        heading = f"{self.name} {self.reason}; the end of {self.log_file}:"
        return "\n".join([heading, *(f"  {line}" for line in self.log or ["(empty)"])])


@dataclass(frozen=True, slots=True)
class Program:
    """What a server is started with; `environ` is its whole environment.

    `ready` tells whether it serves; it may block for a moment.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log_file: Path
    ready: Callable[[], bool]


class Server:
    """A running program. It is killed when this process ends, however that happens."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        self._program = program
        self._process = process

    @classmethod
    async def start(cls, program: Program) -> Self:
        """Run `program` in a process group of its own, so that Ctrl-C is left to this process.

        Only from the main thread: the kernel ties a child to the life of the thread that made it.
        """
        tie = (sys.executable, "-I", "-S", tether.__file__, str(os.getpid()))
        with private.create(program.log_file) as log:
            process = await asyncio.create_subprocess_exec(
                *tie,
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=program.environ,
                process_group=0,
            )
        return cls(program, process)

    @property
    def name(self) -> str:
        """The program's name."""
        return self._program.name

    @property
    def pid(self) -> int:
        """The process id; it is the program's own, as the tie becomes the program."""
        return self._process.pid

    async def until_ready(self) -> None:
        """Wait until the program serves; raise `ServerFailed` when that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while not await asyncio.to_thread(self._program.ready):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # another process has no event to wait for
                return
        reason = f"is not ready in {_PATIENCE_S:g} s"
        raise self._failure(reason)

    async def failure(self) -> ServerFailed:
        """Wait for an end that nobody asked for, and tell of it."""
        status = await self._process.wait()
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return self._failure(f"ended by itself ({how})")

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end; kill it when that takes too long, or as soon as `hurry` is set."""
        ended = asyncio.ensure_future(self._process.wait())
        hurried = asyncio.ensure_future(hurry.wait())
        self._send(signal.SIGTERM)
        await asyncio.wait({ended, hurried}, timeout=_GRACE_S, return_when="FIRST_COMPLETED")
        hurried.cancel()
        if not ended.done():
            self._send(signal.SIGKILL)
        await ended

    def _send(self, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signum)

    def _failure(self, reason: str) -> ServerFailed:
        log_file = self._program.log_file
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return ServerFailed(self.name, reason, log_file, tuple(lines[-_LOG_LINES:]))
