"""Files that are only appended to, by whole lines; or a stream in the place of one."""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import structlog

_log = structlog.get_logger(__name__)

_BLOCK = 65_536


class LineFile:
    """A file that is appended to and never rewritten: whole lines, on disk before a write ends.

    It is opened for each batch, so it may be moved away at any time. Several processes may share
    one. A line without its end, left by a crash, is cut off and the log says so, as
    `<name>.torn_line_cut`.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self._name = name

    async def append(self, lines: str) -> None:
        """Write whole lines; `OSError` when not all are on disk, and then none is."""
        await asyncio.to_thread(self._append, lines)

    @contextmanager
    def locked(self) -> Iterator[Callable[[str], None]]:
        """Keep all others from writing, and give what writes: it raises as `append` does."""
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield lambda lines: self._write(file, lines)
        finally:
            os.close(file)

    def _append(self, lines: str) -> None:
        with self.locked() as write:
            write(lines)

    def _write(self, file: int, lines: str) -> None:
        size = os.fstat(file).st_size
        whole = _whole(file, size)
        if whole < size:
            os.ftruncate(file, whole)
            event = f"{self._name}.torn_line_cut"
            _log.warning(event, path=str(self._path), octets=size - whole)
        try:
            _write_all(file, lines.encode())
            os.fsync(file)
        except OSError:
            os.ftruncate(file, whole)
            raise


class LineOutput:
    """A text stream, such as standard output, whose reader keeps what it gets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def append(self, lines: str) -> None:
        """Write whole lines in one piece; raises `OSError`.

        Not in a thread: the log's lines go the same way, and must not get in between.
        """
        try:
            self._stream.write(lines)
            self._stream.flush()
        except ValueError as closed:
            raise OSError("it is closed") from closed


def line_file(setting: str, output: TextIO, *, name: str) -> LineFile | LineOutput:
    """What a setting names: a file, or - for `output`. `name`: how the log calls it."""
    return LineOutput(output) if setting == "-" else LineFile(Path(setting), name=name)


def _whole(file: int, size: int) -> int:
    """Where the last line that has an end does so."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write_all(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]
