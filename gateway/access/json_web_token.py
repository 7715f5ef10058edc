"""JSON Web Tokens (RFC 7519): what one says, and whether a key signed it."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from gateway.access.key_set import ASYMMETRIC, VerificationKey
from gateway.access.proving import Cause, NotProven

MAX_BYTES = 8192
_SEGMENTS = 3

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
"""A NumericDate up to the year 9999."""


class Claims(msgspec.Struct, frozen=True):
    """The claims that count, times in seconds since the Unix epoch."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: _Seconds
    iat: _Seconds
    nbf: _Seconds = 0

    def is_for(self, audience: str) -> bool:
        """Whether the token is meant for `audience`."""
        return audience == self.aud if isinstance(self.aud, str) else audience in self.aud


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, with nothing to prove it: where to look for its key."""

    algorithm: str
    kid: str | None
    claims: Claims


_JWS = PyJWS(algorithms=sorted(ASYMMETRIC))


def looks_like_jwt(token: str) -> bool:
    """Whether it has the three parts of a signed token."""
    return token.count(".") == _SEGMENTS - 1 and token.isascii()


def read_unverified(token: str) -> Unverified:
    """Read a token without proof; raises `NotProven` when it cannot be one that counts."""
    if len(token) > MAX_BYTES:
        raise NotProven(cause=Cause.CLAIMS)
    try:
        decoded = _JWS.decode_complete(token, options={"verify_signature": False})
        header = msgspec.convert(decoded["header"], _Header)
    except (PyJWTError, msgspec.MsgspecError):
        raise NotProven(cause=Cause.CLAIMS) from None
    return Unverified(header.alg, header.kid, _claims(decoded["payload"]))


def verify(token: str, key: VerificationKey, algorithm: str) -> Claims:
    """The claims of a token that `key` signed with `algorithm`; raises `NotProven` otherwise."""
    try:
        decoded = _JWS.decode_complete(token, key.public, algorithms=[algorithm])
    except PyJWTError:
        raise NotProven(cause=Cause.SIGNATURE) from None
    return _claims(decoded["payload"])


def _claims(payload: bytes) -> Claims:
    try:
        return msgspec.json.decode(payload, type=Claims)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotProven(cause=Cause.CLAIMS) from None
