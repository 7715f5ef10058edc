"""Whose a token is: an opaque one of the policy, or a JWT of an issuer that the policy trusts."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.json_web_token import (
    Unverified,
    looks_like_jwt,
    read_unverified,
    verify,
)
from gateway.access.jwks import IssuerKeys
from gateway.access.key_set import ASYMMETRIC, VerificationKey
from gateway.access.policy import Issuer, Policy
from gateway.access.principal import Principal, Proof
from gateway.access.proving import Cause, NotProven
from gateway.access.tokens import hash_token

_LEEWAY_MS = 10_000
"""How far an issuer's clock may be ahead of ours. It does not lengthen the life of a token."""

_MOST_REMEMBERED = 10_000


class _KeyMissing(NotProven):
    """The issuer may have published the key since its keys were read."""

    def __init__(self, issuer: Issuer, cause: Cause) -> None:
        super().__init__(cause=cause)
        self.issuer = issuer


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was checked: under which rules and by which key, times in ms."""

    issuer: Issuer
    kid: str | None
    algorithm: str
    key: VerificationKey
    subject: str
    issued_at: int
    begins: int
    expires: int


class Identities:
    """Tells whose a token is, by the policy in force and the keys of its issuers.

    A signature is checked once; whether it still counts is asked each time: the issuer must stand
    in the policy as it did, the key must still be published, and the principal must not be
    suspended. `wall_ms` gives the time in ms.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        keys: IssuerKeys,
        suspended: Callable[[str], bool],
        wall_ms: Callable[[], int],
    ) -> None:
        self._policy = policy
        self._keys = keys
        self._suspended = suspended
        self._wall_ms = wall_ms
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def authenticate(self, token: str) -> Proof:
        """What `token` proves; raises `NotProven`.

        A JWT that names a key that is not known makes its issuer's keys be read again first.
        """
        try:
            return self._prove(token)
        except _KeyMissing as missing:
            await self._keys.refresh(missing.issuer)
        return self._prove(token)

    def still_good(self, token: str, principal: Principal) -> bool:
        """Whether `token` would still prove `principal`, without asking any issuer."""
        try:
            return self._prove(token).principal == principal
        except NotProven:
            return False

    def _prove(self, token: str) -> Proof:
        proof = self._policy().authenticate(token) or self._prove_jwt(token)
        if self._suspended(proof.principal.id):
            raise NotProven(cause=Cause.SUSPENDED)
        return proof

    def _prove_jwt(self, token: str) -> Proof:
        if not looks_like_jwt(token):
            raise NotProven(cause=Cause.UNKNOWN)
        digest = hash_token(token)
        verified = self._remembered(digest) or self._verify(token, digest)
        now = self._wall_ms()
        if verified.expires <= now:
            raise NotProven(cause=Cause.EXPIRED)
        if max(verified.begins, verified.issued_at) > now + _LEEWAY_MS:
            raise NotProven(cause=Cause.NOT_YET)
        principal = self._policy().identify(
            verified.issuer.id, verified.subject, verified.issued_at
        )
        if principal is None:
            raise NotProven(cause=Cause.SUBJECT)
        return Proof(principal, digest, verified.expires)

    def _remembered(self, digest: str) -> _Verified | None:
        found = self._verified.get(digest)
        if found is None:
            return None
        keys = self._keys.of(found.issuer)
        key = None if keys is None else keys.find(found.kid, found.algorithm)
        if found.issuer not in self._policy().issuers or key != found.key:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return found

    def _verify(self, token: str, digest: str) -> _Verified:
        unverified = read_unverified(token)
        issuer = self._issuer(unverified)
        key = self._key(issuer, unverified)
        claims = verify(token, key, unverified.algorithm)
        verified = _Verified(
            issuer=issuer,
            kid=unverified.kid,
            algorithm=unverified.algorithm,
            key=key,
            subject=claims.sub,
            issued_at=int(claims.iat * 1000),
            begins=int(claims.nbf * 1000),
            expires=int(claims.exp * 1000),
        )
        self._verified[digest] = verified
        if len(self._verified) > _MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return verified

    def _issuer(self, token: Unverified) -> Issuer:
        """The issuer whose rules the token has to meet: `iss`, audience, algorithm."""
        issuers = {issuer.issuer: issuer for issuer in self._policy().issuers}
        issuer = issuers.get(token.claims.iss)
        if issuer is None:
            raise NotProven(cause=Cause.ISSUER)
        if not token.claims.is_for(issuer.audience):
            raise NotProven(cause=Cause.AUDIENCE)
        # Checked here, too, not by the policy file alone: whatever it says, who can check a token
        # must not be able to make one.
        if token.algorithm not in ASYMMETRIC.intersection(issuer.algorithms):
            raise NotProven(cause=Cause.ALGORITHM)
        return issuer

    def _key(self, issuer: Issuer, token: Unverified) -> VerificationKey:
        keys = self._keys.of(issuer)
        if keys is None:
            raise _KeyMissing(issuer, Cause.KEYS_AWAY)
        key = keys.find(token.kid, token.algorithm)
        if key is None:
            raise _KeyMissing(issuer, Cause.KEY)
        return key
