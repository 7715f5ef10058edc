"""The keys of an issuer: a JSON Web Key Set (RFC 7517), of which only public keys count."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_ALGORITHMS = {
    ("RSA", None): _RSA_ALGORITHMS,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
ASYMMETRIC = frozenset[str]().union(*_ALGORITHMS.values())
"""Who can check a token must not be able to make one, so there is no HMAC among them."""

_LEAST_RSA_BITS = 2048


class NoKeys(Exception):
    """A text that is no key set, or has no key that can be used."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    public: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """What an issuer publishes."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """The one key of this id for this algorithm; without an id, the only key there is."""
        if kid is None and len(self.keys) != 1:
            return None
        fitting = [
            key for key in self.keys if kid in (None, key.kid) and algorithm in key.algorithms
        ]
        return fitting[0] if len(fitting) == 1 else None


class _JsonWebKey(msgspec.Struct):
    kty: str
    kid: str | None = None
    crv: str | None = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    d: object = None


class _JsonWebKeySet(msgspec.Struct):
    keys: list[msgspec.Raw]


def parse_key_set(text: bytes) -> KeySet:
    """Read a key set; what cannot check a signature is passed over (RFC 7517, section 5).

    Raises `NoKeys` when nothing is left.
    """
    try:
        published = msgspec.json.decode(text, type=_JsonWebKeySet).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoKeys("no JSON Web Key Set") from None
    keys = tuple(key for each in published if (key := _key(each)) is not None)
    if not keys:
        raise NoKeys("no key that can check a signature")
    return KeySet(keys)


def _key(text: msgspec.Raw) -> VerificationKey | None:
    try:
        described = msgspec.json.decode(text, type=_JsonWebKey)
        algorithms = _algorithms(described)
        if not algorithms:
            return None
        public = PyJWK(msgspec.json.decode(text), min(algorithms)).key
    except (msgspec.MsgspecError, RecursionError, PyJWTError):
        return None
    if described.kty == "RSA" and public.key_size < _LEAST_RSA_BITS:
        return None
    return VerificationKey(described.kid, algorithms, public)


def _algorithms(key: _JsonWebKey) -> frozenset[str]:
    """What a key may be used with: nothing if it is published together with its private part."""
    for_signatures = key.use in (None, "sig") and (key.key_ops is None or "verify" in key.key_ops)
    if not for_signatures or key.d is not None:
        return frozenset()
    fitting = _ALGORITHMS.get((key.kty, key.crv), frozenset())
    return fitting if key.alg is None else fitting & {key.alg}
