import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.access.identities import Identities
from gateway.access.jwks import IssuerKeys
from gateway.access.policy import (
    Identity,
    Issuer,
    Member,
    Policy,
    Principal,
    PrincipalKind,
    TokenRecord,
)
from gateway.access.proving import Cause, NotProven
from gateway.access.tokens import hash_token
from tests.oidc.keys import IssuerKey, claims_of, confused, ec_key, rsa_key, unsigned
from tests.unit.access.issuing import (
    AUDIENCE,
    DESK,
    SUBJECT,
    IssuingServer,
    issuing_server,
    policy_of,
)

pytestmark = pytest.mark.anyio

KEY, OTHER = rsa_key("first"), rsa_key("second")
OPAQUE = "ngw_a-token-that-is-made-up"


@dataclass
class Desk:
    """Identities over an issuer, at a time that the test sets."""

    server: IssuingServer
    issuer: Issuer
    policy: Policy
    ahead_s: float = 0
    suspended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(
            lambda: self.policy, refresh_s=300, keep_s=3600, clock=lambda: self.ahead_s
        )
        self.identities = Identities(
            lambda: self.policy, self.keys, self.suspended.__contains__, self.wall_ms
        )

    def wall_ms(self) -> int:
        """The time."""
        return int((time.time() + self.ahead_s) * 1000)

    def claims(self, **changes: object) -> dict[str, Any]:
        """Those of a good token, with changes."""
        return claims_of(self.server.url, AUDIENCE, SUBJECT, **changes)

    async def cause(self, token: str) -> Cause:
        """Why a token proves nothing; its text never tells."""
        with pytest.raises(NotProven) as refused:
            await self.identities.authenticate(token)
        assert str(refused.value) == "the token is unknown or has expired"
        assert not self.identities.still_good(token, DESK)
        return refused.value.cause


@asynccontextmanager
async def desk_of(*keys: IssuerKey, **changes: Any) -> AsyncIterator[Desk]:  # noqa: ANN401
    async with issuing_server(*(keys or (KEY,))) as server:
        issuer = server.issuer(**changes)
        yield Desk(server, issuer, policy_of(issuer))


async def test_a_jwt_proves_whose_subject_it_is_until_it_expires() -> None:
    async with desk_of() as desk:
        claims = desk.claims()
        token = KEY.sign(claims)
        proof = await desk.identities.authenticate(token)
        assert (proof.principal, proof.expires) == (DESK, claims["exp"] * 1000)
        assert proof.token == hash_token(token)
        assert desk.identities.still_good(token, DESK)


async def test_an_opaque_token_is_the_policy_s_and_asks_no_issuer() -> None:
    async with desk_of() as desk:
        member = Member(DESK, (TokenRecord(hash_token(OPAQUE), desk.wall_ms() + 60_000),))
        desk.policy = Policy(
            revision="2", accounts=(), members=(member,), wall_ms=desk.wall_ms, issuers=()
        )
        proof = await desk.identities.authenticate(OPAQUE)
        assert (proof.principal, proof.token) == (DESK, hash_token(OPAQUE))
        assert await desk.cause("ngw_another") is Cause.UNKNOWN
        desk.ahead_s = 61
        assert await desk.cause(OPAQUE) is Cause.UNKNOWN
        assert desk.server.asked == []


async def test_a_projected_token_of_kubernetes_has_several_audiences() -> None:
    async with desk_of() as desk:
        claims = desk.claims(
            aud=["https://kubernetes.default.svc", AUDIENCE],
            nbf=int(time.time()),
            jti="7c9e6679-7425-40de-944b-e07fc1f90ae7",
            **{"kubernetes.io": {"namespace": "trading", "serviceaccount": {"name": "desk"}}},
        )
        assert (await desk.identities.authenticate(KEY.sign(claims))).principal == DESK


FORGERIES: dict[str, tuple[dict[str, Any], Cause]] = {
    "another issuer": ({"iss": "https://evil.example.com"}, Cause.ISSUER),
    "a longer issuer": ({"iss": "{url}/"}, Cause.ISSUER),
    "another audience": ({"aud": "another-service"}, Cause.AUDIENCE),
    "other audiences": ({"aud": ["another-service", AUDIENCE.upper()]}, Cause.AUDIENCE),
    "no audience": ({"aud": []}, Cause.AUDIENCE),
    "another subject": ({"sub": "system:serviceaccount:trading:other"}, Cause.SUBJECT),
    "no subject": ({"sub": None}, Cause.CLAIMS),
    "no issue": ({"iat": None}, Cause.CLAIMS),
    "no end": ({"exp": None}, Cause.CLAIMS),
    "expired": ({"exp": 1_000_000_000}, Cause.EXPIRED),
    "not yet": ({"nbf": int(time.time()) + 3600}, Cause.NOT_YET),
    "from the future": ({"iat": int(time.time()) + 3600}, Cause.NOT_YET),
}


@pytest.mark.parametrize(("changes", "cause"), FORGERIES.values(), ids=FORGERIES)
async def test_a_signature_alone_proves_nothing(changes: dict[str, Any], cause: Cause) -> None:
    async with desk_of() as desk:
        given = {
            name: value.replace("{url}", desk.server.url) if isinstance(value, str) else value
            for name, value in changes.items()
        }
        assert await desk.cause(KEY.sign(desk.claims(**given))) is cause


async def test_claims_without_a_signature_prove_nothing() -> None:
    async with desk_of() as desk:
        claims = desk.claims()
        another = rsa_key("first")
        assert await desk.cause(another.sign(claims)) is Cause.SIGNATURE
        assert await desk.cause(unsigned(claims)) is Cause.ALGORITHM
        assert await desk.cause(unsigned(claims, "None")) is Cause.ALGORITHM
        assert await desk.cause(confused(KEY, claims)) is Cause.ALGORITHM
        assert await desk.cause(unsigned(claims, "RS256")) is Cause.SIGNATURE


async def test_not_even_a_policy_lets_who_checks_tokens_make_them() -> None:
    async with desk_of(algorithms=("HS256", "none", "RS256")) as desk:
        claims = desk.claims()
        assert await desk.cause(confused(KEY, claims)) is Cause.ALGORITHM
        assert await desk.cause(unsigned(claims)) is Cause.ALGORITHM


async def test_an_algorithm_that_the_policy_does_not_name_is_refused() -> None:
    async with desk_of(KEY, ec_key("elliptic"), algorithms=("ES256",)) as desk:
        assert await desk.cause(KEY.sign(desk.claims())) is Cause.ALGORITHM


async def test_a_key_is_for_the_algorithm_that_it_is_published_for() -> None:
    async with desk_of(algorithms=("RS256", "PS256", "ES256")) as desk:
        other_use = IssuerKey("first", "PS256", KEY.private)
        other_kind = ec_key("first")
        for key in (other_use, other_kind):
            assert await desk.cause(key.sign(desk.claims())) is Cause.KEY
            desk.ahead_s += 10


async def test_among_several_keys_the_token_must_name_one() -> None:
    async with desk_of(KEY, OTHER) as desk:
        assert await desk.cause(KEY.sign(desk.claims(), kid=None)) is Cause.KEY
        desk.server.publish(KEY)
        desk.ahead_s += 10
        await desk.identities.authenticate(KEY.sign(desk.claims(), kid=None))


async def test_a_key_that_is_new_is_read_before_its_token_is_refused() -> None:
    async with desk_of() as desk:
        await desk.identities.authenticate(KEY.sign(desk.claims()))
        desk.server.publish(KEY, OTHER)
        desk.ahead_s += 10
        assert not desk.identities.still_good(OTHER.sign(desk.claims()), DESK)
        await desk.identities.authenticate(OTHER.sign(desk.claims()))
        assert len(desk.server.asked) == 2


async def test_a_key_that_is_withdrawn_takes_its_tokens_along() -> None:
    async with desk_of(KEY, OTHER) as desk:
        token = KEY.sign(desk.claims())
        await desk.identities.authenticate(token)
        desk.server.publish(OTHER)
        desk.ahead_s += 10
        await desk.keys.refresh(desk.issuer)
        desk.ahead_s += 10
        assert await desk.cause(token) is Cause.KEY


async def test_while_no_keys_can_be_had_no_jwt_proves_anything() -> None:
    async with desk_of() as desk:
        desk.server.answers["/jwks"] = (503, "")
        assert await desk.cause(KEY.sign(desk.claims())) is Cause.KEYS_AWAY


async def test_what_an_issuer_said_holds_through_its_outage() -> None:
    async with desk_of() as desk:
        await desk.identities.authenticate(KEY.sign(desk.claims()))
        desk.server.answers["/jwks"] = None
        desk.ahead_s = 3000
        token = KEY.sign(desk.claims(exp=int(time.time()) + 9000))
        await desk.identities.authenticate(token)
        desk.ahead_s = 3601
        assert not desk.identities.still_good(token, DESK)


async def test_a_token_that_was_good_expires() -> None:
    async with desk_of() as desk:
        token = KEY.sign(desk.claims(exp=int(time.time()) + 100))
        await desk.identities.authenticate(token)
        desk.ahead_s = 98
        assert desk.identities.still_good(token, DESK)
        desk.ahead_s = 100
        assert await desk.cause(token) is Cause.EXPIRED


async def test_an_issuer_s_clock_may_be_ahead_a_little() -> None:
    async with desk_of() as desk:
        soon = int(time.time()) + 8
        await desk.identities.authenticate(KEY.sign(desk.claims(nbf=soon, iat=soon)))
        assert await desk.cause(KEY.sign(desk.claims(nbf=soon + 10))) is Cause.NOT_YET


async def test_a_change_of_policy_counts_for_tokens_that_were_good() -> None:
    async with desk_of() as desk:
        token = KEY.sign(desk.claims(iat=int(time.time()) - 100))
        await desk.identities.authenticate(token)
        good = desk.policy
        desk.policy = policy_of(desk.issuer, issued_after=desk.wall_ms() - 50_000)
        assert await desk.cause(token) is Cause.SUBJECT
        await desk.identities.authenticate(KEY.sign(desk.claims()))
        desk.policy = policy_of(desk.server.issuer(algorithms=("ES256",)))
        assert await desk.cause(token) is Cause.ALGORITHM
        desk.policy = Policy(revision="4", accounts=(), members=(), wall_ms=desk.wall_ms)
        assert await desk.cause(token) is Cause.ISSUER
        desk.policy = good
        await desk.identities.authenticate(token)


async def test_a_suspended_principal_proves_nothing_and_then_again() -> None:
    async with desk_of() as desk:
        token = KEY.sign(desk.claims())
        await desk.identities.authenticate(token)
        desk.suspended.add("desk")
        assert await desk.cause(token) is Cause.SUSPENDED
        desk.suspended.clear()
        assert desk.identities.still_good(token, DESK)


async def test_a_token_that_has_become_another_s_is_not_good_any_longer() -> None:
    async with desk_of() as desk:
        token = KEY.sign(desk.claims())
        proof = await desk.identities.authenticate(token)
        identity = Identity(desk.issuer.id, SUBJECT)
        other = Member(Principal("other", PrincipalKind.APP), identities=(identity,))
        desk.policy = Policy(
            revision="2",
            accounts=(),
            members=(other,),
            wall_ms=desk.wall_ms,
            issuers=desk.policy.issuers,
        )
        assert not desk.identities.still_good(token, proof.principal)
        assert desk.identities.still_good(token, other.principal)


async def test_strangers_tokens_make_no_issuer_be_asked_more_than_now_and_then() -> None:
    async with desk_of() as desk:
        await desk.identities.authenticate(KEY.sign(desk.claims()))
        token = OTHER.sign(desk.claims())
        desk.ahead_s += 10
        assert await desk.cause(token) is Cause.KEY
        unknown = OTHER.sign(desk.claims(iss="https://evil.example.com"))
        assert await desk.cause(unknown) is Cause.ISSUER
        assert len(desk.server.asked) == 2
