"""`narkasa-gateway audit verify`: whether the audit log is whole."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from gateway.cli.audit.reading import (
    ADDRESS,
    entry_of,
    lines_of,
    members_of,
    open_stream,
    with_redis,
)
from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import Head, MalformedEntry, from_members
from gateway.domain.audit_check import FILE, REDIS, AuditCheck, Report


def verify(environ: Mapping[str, str], *, files: Sequence[Path], logs: Sequence[Path]) -> int:
    """Print each finding: 1; or that there is none: 0. What cannot be read at all is 2."""
    check = AuditCheck(time.time_ns() // 1_000_000)
    if not environ.get(ADDRESS) and not files:
        typer.echo(f"set {ADDRESS}, or give a --file", err=True)
        return 2
    if environ.get(ADDRESS):
        problem = with_redis(_read_stream(environ, check))
        if problem:
            return problem
    try:
        for path in files:
            _read_file(path, check)
        for path in logs:
            _read_heads(path, check)
    except OSError as unreadable:
        typer.echo(f"{unreadable.filename}: {unreadable.strerror}", err=True)
        return 2
    return _print(check.report())


def _print(report: Report) -> int:
    for note in report.notes:
        typer.echo(f"note: {note}")
    for finding in report.findings:
        typer.echo(finding)
    entries = _count(report.entries, "entry", "entries")
    writers = _count(report.writers, "writer", "writers")
    typer.echo(f"{entries} of {writers}: {_count(len(report.findings), 'finding', 'findings')}")
    return 1 if report.findings else 0


def _count(number: int, one: str, more: str) -> str:
    return f"{number or 'no'} {one if number == 1 else more}"


async def _read_stream(environ: Mapping[str, str], check: AuditCheck) -> None:
    async with open_stream(environ) as stream:
        # Before the entries: what is appended meanwhile lies beyond these heads.
        marks = await stream.marks()
        found: list[tuple[str, AuditEntry]] = []
        async for place, text in stream.follow():
            entry = entry_of(text)
            if entry is None:
                check.unreadable(f"Redis {place}")
            else:
                found.append((f"Redis {place}", entry))
    check.read(REDIS, found)
    check.based(marks.bases, marks.trimmed_before)
    for writer, head in marks.heads.items():
        check.told(writer, head, "the head in Redis")


def _read_file(path: Path, check: AuditCheck) -> None:
    """Take in a file's entries and heads; one that is gone is as one that was emptied."""
    if not path.exists():
        check.empty(str(path))
        check.read(FILE, ())
        return
    found: list[tuple[str, AuditEntry]] = []
    for number, line, is_whole in lines_of(path):
        place = f"{path}:{number}"
        members = members_of(line)
        if '{"audit":' in line and not is_whole and members is None:
            check.note(f"{place}: the last line is torn, as a crash leaves it")
        elif '{"audit":' in line:
            try:
                found.append((place, from_members((members or {})["audit"])))
            except (KeyError, AttributeError, MalformedEntry):
                check.unreadable(place)
        elif members is not None:
            _take_head(members, place, check)
    if not found:
        check.empty(str(path))
    check.read(FILE, found)


def _read_heads(path: Path, check: AuditCheck) -> None:
    told = False
    for number, line, _ in lines_of(path):
        members = members_of(line)
        if members is not None:
            told |= _take_head(members, f"{path}:{number}", check)
    if not told:
        check.note(f"{path}: no line audit.head is there, so it tells nothing")


def _take_head(members: Mapping[str, Any], place: str, check: AuditCheck) -> bool:
    """Whether that was a line audit.head."""
    if members.get("event") != "audit.head":
        return False
    try:
        head = Head(int(members["sequence"]), str(members["digest"]), int(members["time"]))
        check.told(str(members["writer"]), head, f"{place}, a line audit.head,")
    except (KeyError, TypeError, ValueError):
        check.unreadable(place)
    return True
