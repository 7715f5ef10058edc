"""The chain of an audit log's writer: what an entry's digest covers, and its form as text.

The form is JSON with sorted keys, no blanks, and nothing but ASCII, so that one entry has one text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from gateway.domain.audit import AuditEntry, AuditEvent, AuditKind

_KEYS = frozenset(
    {
        *("writer", "sequence", "time", "previous", "digest"),
        *("kind", "principal", "account", "action", "rule", "outcome", "trace_id", "detail"),
    }
)


class MalformedEntry(ValueError):
    """A text is no audit entry; it says no more, for the text may be anything."""

    def __str__(self) -> str:
        """Say so."""
        return "this is no audit entry"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a writer has come: its newest entry's sequence, digest and time (ms)."""

    sequence: int
    digest: str
    time: int

    @classmethod
    def of(cls, entry: AuditEntry) -> "Head":
        """The head that an entry makes."""
        return cls(entry.sequence, entry.digest, entry.time)

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that `str` has written; raises `MalformedEntry`."""
        try:
            sequence, digest, time = text.split(" ")
            return cls(int(sequence), digest, int(time))
        except ValueError:
            raise MalformedEntry from None

    def __str__(self) -> str:
        return f"{self.sequence} {self.digest} {self.time}"


def first_or_next(previous: Head | None, writer: str, time: int, event: AuditEvent) -> AuditEntry:
    """The entry of an event behind a writer's head, or the writer's first."""
    sequence = 1 if previous is None else previous.sequence + 1
    behind = "" if previous is None else previous.digest
    digest = _digest(_canonical(writer, sequence, time, event, behind))
    return AuditEntry(
        writer=writer, sequence=sequence, time=time, event=event, previous=behind, digest=digest
    )


def is_whole(entry: AuditEntry) -> bool:
    """Whether an entry still has the digest of what it says."""
    text = _canonical(entry.writer, entry.sequence, entry.time, entry.event, entry.previous)
    return _digest(text) == entry.digest


def to_text(entry: AuditEntry) -> str:
    """The entry as one line of JSON, without the line's end."""
    text = _canonical(entry.writer, entry.sequence, entry.time, entry.event, entry.previous)
    return f'{text[:-1]},"digest":"{entry.digest}"}}'


def from_text(text: str | bytes) -> AuditEntry:
    """The entry that `to_text` has written; raises `MalformedEntry`. Its digest is not checked."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedEntry from None
    if not isinstance(members, dict):
        raise MalformedEntry
    return from_members(members)


def from_members(members: Mapping[str, object]) -> AuditEntry:
    """The entry of these members of its JSON; raises `MalformedEntry`."""
    if members.keys() != _KEYS:
        raise MalformedEntry
    kind = _text(members["kind"])
    if kind not in AuditKind.__members__:
        raise MalformedEntry
    event = AuditEvent(
        kind=AuditKind(kind),
        principal=_text(members["principal"]),
        action=_text(members["action"]),
        outcome=_text(members["outcome"]),
        account=_text_or_none(members["account"]),
        rule=_text_or_none(members["rule"]),
        trace_id=_text_or_none(members["trace_id"]),
        detail=_texts(members["detail"]),
    )
    return AuditEntry(
        writer=_text(members["writer"]),
        sequence=_number(members["sequence"]),
        time=_number(members["time"]),
        event=event,
        previous=_text(members["previous"]),
        digest=_text(members["digest"]),
    )


def _canonical(writer: str, sequence: int, time: int, event: AuditEvent, previous: str) -> str:
    members = {
        "writer": writer,
        "sequence": sequence,
        "time": time,
        "kind": event.kind.value,
        "principal": event.principal,
        "account": event.account,
        "action": event.action,
        "rule": event.rule,
        "outcome": event.outcome,
        "trace_id": event.trace_id,
        "detail": dict(event.detail),
        "previous": previous,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedEntry
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise MalformedEntry
    return value


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise MalformedEntry
    return {_text(name): _text(word) for name, word in value.items()}
