"""Who calls."""

from dataclasses import dataclass
from enum import StrEnum

ANONYMOUS = "anonymous"
"""The principal of a call in the exchange's own protocol that shows neither key nor token."""


class PrincipalKind(StrEnum):
    """Whether a program or a person calls."""

    APP = "app"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody the gateway knows."""

    id: str
    kind: PrincipalKind


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal in one request: `trace_id` finds it in the log and in the audit log."""

    principal: Principal
    trace_id: str

    @property
    def id(self) -> str:
        """The principal's id."""
        return self.principal.id


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token proved: whose it is, and until when (ms since the Unix epoch), if it ends.

    `token` is the token's SHA-256 (hex).
    """

    principal: Principal
    token: str
    expires: int | None = None
