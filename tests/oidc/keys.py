"""Keys of an issuer, made for a test, and tokens signed with them: true ones, and all others."""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class IssuerKey:
    """A private key under an id, for one algorithm."""

    kid: str | None
    algorithm: str
    private: PrivateKey

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as its issuer publishes it."""
        return self._described(as_jwk(self.private.public_key()))

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The private key, as its issuer keeps it."""
        return self._described(as_jwk(self.private))

    @property
    def public_pem(self) -> bytes:
        """The public key in the form that key confusion takes for a secret."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: dict[str, Any], **header: object) -> str:
        """A token with these claims; None leaves out a claim or a member of the header."""
        given = {"kid": self.kid, **header}
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.private,
            self.algorithm,
            {name: value for name, value in given.items() if value is not None},
        )

    def _described(self, key: dict[str, Any]) -> dict[str, Any]:
        # What a private key is for is not what the public one is for.
        plain = {name: value for name, value in key.items() if name != "key_ops"}
        named = {} if self.kid is None else {"kid": self.kid}
        return {**plain, **named, "alg": self.algorithm, "use": "sig"}


def rsa_key(kid: str | None = "rsa-1", algorithm: str = "RS256", bits: int = 2048) -> IssuerKey:
    """A fresh RSA key."""
    return IssuerKey(kid, algorithm, rsa.generate_private_key(65537, bits))


def ec_key(kid: str | None = "ec-1") -> IssuerKey:
    """A fresh key on P-256."""
    return IssuerKey(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


def ed_key(kid: str | None = "ed-1") -> IssuerKey:
    """A fresh Ed25519 key."""
    return IssuerKey(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def as_jwk(key: Any) -> dict[str, Any]:  # noqa: ANN401  # any key, private or public
    """A key as JSON Web Key."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return RSAAlgorithm.to_jwk(key, as_dict=True)
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    return OKPAlgorithm.to_jwk(key, as_dict=True)


def claims_of(issuer: str, audience: object, subject: str, **changes: object) -> dict[str, Any]:
    """What a good token of ten minutes says, with changes."""
    now = int(time.time())
    good = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 600}
    return {**good, **changes}


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    """A token with no signature."""
    return f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(claims)}."


def confused(key: IssuerKey, claims: dict[str, Any]) -> str:
    """A token whose HMAC has the issuer's public key as its secret, which everybody knows."""
    signed = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{signed}.{_text(mac.sign(signed.encode(), key.public_pem))}"


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
