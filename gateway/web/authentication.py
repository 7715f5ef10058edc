"""Who calls: the bearer token of a request or of a connection_init."""

from dataclasses import dataclass, field, replace
from typing import Any

from starlette.datastructures import Headers

from gateway.access.principal import Principal, Proof
from gateway.access.proving import Cause, NotProven
from gateway.domain.audit import NOBODY, AuditEvent, AuditKind
from gateway.domain.errors import Unauthenticated
from gateway.metrics import Metrics
from gateway.services.audit import AuditTrail

_LONGEST = 8300
"""A JWT of 8 KiB, and the scheme before it."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A token, and what it proved."""

    token: str = field(repr=False)
    proof: Proof

    @property
    def principal(self) -> Principal:
        """Whose it is."""
        return self.proof.principal

    def seconds_left(self, now: int) -> float | None:
        """Until it expires, from `now` (ms) on; None: it never does."""
        return None if self.proof.expires is None else (self.proof.expires - now) / 1000


def bearer_token(value: object) -> str:
    """The token in 'Bearer <token>'; raises `NotProven` when there is none."""
    given = value if isinstance(value, str) and len(value) <= _LONGEST else ""
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise no_token()
    return token.strip()


def authorization(headers: Headers) -> str | None:
    """The Authorization header, if there is just one.

    Of two, a proxy in front may have checked the other one.
    """
    given = headers.getlist("authorization")
    return given[0] if len(given) == 1 else None


def no_token() -> NotProven:
    """What to raise where there is none."""
    return NotProven(problem=Unauthenticated.problem, cause=Cause.NO_TOKEN)


def token_of_init(payload: object, header: str | None) -> str:
    """The token of a WebSocket: in connection_init's payload, else in the upgrade's header.

    The payload names it `Authorization`, in any case, as HTTP does.
    """
    given: dict[Any, Any] = payload if isinstance(payload, dict) else {}
    for name, value in given.items():
        if isinstance(name, str) and name.lower() == "authorization":
            return bearer_token(value)
    return bearer_token(header)


def note_refusal(refused: NotProven, audit: AuditTrail, metrics: Metrics, trace_id: str) -> None:
    """Count an attempt that proved nothing, and put it on record.

    Once a second for each cause, and for each virtual key that is known.
    """
    cause, key = refused.cause.value, refused.key
    of_key = {} if key is None else {"key": key.id, "keyPrincipal": key.principal}
    metrics.unauthenticated.labels(cause).inc()
    event = AuditEvent(
        kind=AuditKind.DENIED,
        principal=NOBODY,
        action="authenticate",
        outcome=refused.code,
        trace_id=trace_id,
        detail={"cause": cause, **of_key},
    )
    audit.note_often((NOBODY, cause, key and key.id), event, replace(event, trace_id=None))
