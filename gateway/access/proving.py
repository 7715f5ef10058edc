"""Why a token, or a signature by a virtual key, proves nothing."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.errors import Unauthenticated
from gateway.domain.virtual_keys import VirtualKey


class Cause(StrEnum):
    """The words are for logs and metrics; who sent the token is told none of them."""

    NO_TOKEN = "no_token"  # noqa: S105  # it is the word for there being none
    UNKNOWN = "unknown"
    """It is no token of the policy, and none that an issuer made; or no virtual key stands so."""
    ISSUER = "issuer"
    AUDIENCE = "audience"
    ALGORITHM = "algorithm"
    KEY = "key"
    """None of the issuer's keys is the one that it names."""
    KEYS_AWAY = "keys_away"
    """No keys of the issuer are known, or those that were have become too old; or virtual keys
    cannot be read, and this one never was."""
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    SUBJECT = "subject"
    """The policy knows nobody by this subject, or it was issued before `issued_after`; or knows the
    principal of a virtual key no more."""
    SUSPENDED = "suspended"
    SEALED = "sealed"
    """It is a virtual key's, whose entry does not open."""
    REPLAYED = "replayed"
    """The signature was seen on another endpoint before."""
    REVOKED = "revoked"
    """It is a virtual key's that stood when this process looked before."""


@dataclass(eq=False, kw_only=True)
class NotProven(Unauthenticated):
    """A token, or a signature, that proves nothing.

    Its text is the same for every cause, so that none is told. `key` is the virtual key that was
    named, where it is known: who sent it may not have its secret.
    """

    problem: str = "the token is unknown or has expired"
    cause: Cause
    key: VirtualKey | None = None
