"""What the audit log says: who did what, to which account, by which rule, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GATEWAY = "gateway"
"""The principal of what the gateway does by itself: reading an account that somebody follows."""

NOBODY = "unauthenticated"
"""The principal of a caller whose token proves nothing."""

SHELL = "shell:"
"""What the principal and the writer of a command on a terminal begin with; no host's name does."""


class AuditKind(StrEnum):
    """What an entry tells of."""

    STARTED = "STARTED"
    READ = "READ"
    LOGIN = "LOGIN"
    ORDER = "ORDER"
    CANCEL = "CANCEL"
    DENIED = "DENIED"
    WOULD_DENY = "WOULD_DENY"
    POLICY = "POLICY"
    KEYS = "KEYS"
    SWITCH = "SWITCH"
    ACCESS = "ACCESS"
    LOST = "LOST"
    ANCHOR = "ANCHOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something to put on record; no part of it may hold a secret or a signature.

    `action` is the exchange's endpoint for a signed call, else what was done or asked for. `rule`
    is the grant or deny that decided. `outcome`: OK, a code of docs/errors.md, a placement's state,
    or SENDING before a mutation goes out. `detail`: a few words more, by name: a placement's id,
    the order's terms, a key's version.
    """

    kind: AuditKind
    principal: str
    action: str
    outcome: str
    account: str | None = None
    rule: str | None = None
    trace_id: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An event in the chain of one writer: `sequence` from 1, `time` in ms.

    `digest` is the SHA-256 (hex) of the entry without it; `previous` is the digest of the entry
    before, or empty for a writer's first.
    """

    writer: str
    sequence: int
    time: int
    event: AuditEvent
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, the newest first, each with its cursor.

    `end`: the cursor behind which the next page begins, if anything was looked at. `has_next`:
    there are older ones; of what is rare a page may hold few or none while this is true.
    """

    entries: tuple[tuple[str, AuditEntry], ...]
    end: str | None
    has_next: bool
