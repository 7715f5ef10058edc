"""The audit log as lines of JSON, `{"audit": {…}}` each: in a file, or among a log's lines."""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import structlog

from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import to_text

_log = structlog.get_logger(__name__)

_BLOCK = 65_536


def to_line(entry: AuditEntry) -> str:
    """An entry as a line."""
    return f'{{"audit":{to_text(entry)}}}\n'


class AuditFile:
    """A file that is appended to and never rewritten: whole lines, on disk before `append` ends.

    It is opened for each batch, so it may be moved away at any time. Several processes may share
    one. A line without its end, left by a crash, is cut off and the log says so. An entry that is
    given again is left out: who gave it before may have been cancelled, and not known.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, int] = {}

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order; `OSError` when not all are on disk, and then none is."""
        await asyncio.to_thread(self._append, entries)

    def _append(self, entries: Sequence[AuditEntry]) -> None:
        with self._locked() as file:
            new = [each for each in entries if each.sequence > self._newest.get(each.writer, 0)]
            size = os.fstat(file).st_size
            whole = _whole(file, size)
            if whole < size:
                os.ftruncate(file, whole)
                _log.warning("audit.torn_line_cut", path=str(self._path), octets=size - whole)
            try:
                _write_all(file, "".join(map(to_line, new)).encode())
                os.fsync(file)
            except OSError:
                os.ftruncate(file, whole)
                raise
            self._newest |= {each.writer: each.sequence for each in new}

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


class AuditOutput:
    """A text stream, such as standard output, whose reader keeps what it gets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order, in one piece; raises `OSError`.

        Not in a thread: the log's lines go the same way, and must not get in between.
        """
        try:
            self._stream.write("".join(map(to_line, entries)))
            self._stream.flush()
        except ValueError as closed:
            raise OSError("it is closed") from closed


def audit_file(setting: str, output: TextIO) -> AuditFile | AuditOutput:
    """What NGW_AUDIT_FILE names: a file, or - for `output`."""
    return AuditOutput(output) if setting == "-" else AuditFile(Path(setting))


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
