"""The audit log as lines of JSON, `{"audit": {…}}` each: in a file, or among a log's lines."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import to_text
from gateway.store.line_file import LineFile, LineOutput


def to_line(entry: AuditEntry) -> str:
    """An entry as a line."""
    return f'{{"audit":{to_text(entry)}}}\n'


class AuditFile:
    """A `LineFile`. An entry that is given again is left out.

    Who gave it before may have been cancelled, and not known.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path, name="audit")
        self._newest: dict[str, int] = {}

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order; `OSError` when not all are on disk, and then none is."""
        await asyncio.to_thread(self._append, entries)

    def _append(self, entries: Sequence[AuditEntry]) -> None:
        with self._file.locked() as write:
            new = [each for each in entries if each.sequence > self._newest.get(each.writer, 0)]
            write("".join(map(to_line, new)))
            self._newest |= {each.writer: each.sequence for each in new}


class AuditOutput:
    """A text stream, such as standard output, whose reader keeps what it gets."""

    def __init__(self, stream: TextIO) -> None:
        self._output = LineOutput(stream)

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries in their order, in one piece; raises `OSError`."""
        await self._output.append("".join(map(to_line, entries)))


def audit_file(setting: str, output: TextIO) -> AuditFile | AuditOutput:
    """What NGW_AUDIT_FILE names: a file, or - for `output`."""
    return AuditOutput(output) if setting == "-" else AuditFile(Path(setting))
