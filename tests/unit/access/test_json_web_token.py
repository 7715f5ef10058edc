import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.json_web_token import looks_like_jwt, read_unverified, verify
from gateway.access.key_set import KeySet, parse_key_set
from gateway.access.proving import Cause, NotProven
from tests.oidc.keys import IssuerKey, claims_of, ec_key, ed_key, rsa_key, unsigned
from tests.unit.access.test_key_set import text

KEY = rsa_key()
GOOD = claims_of("https://issuer.example.com", "gateway", "desk")


def published(*keys: IssuerKey) -> KeySet:
    return parse_key_set(text(*(key.jwk for key in keys)))


@pytest.mark.parametrize(
    "key", [KEY, rsa_key(algorithm="PS512"), ec_key(), ed_key()], ids=["RS", "PS", "ES", "Ed"]
)
def test_what_a_key_signed_it_verifies(key: IssuerKey) -> None:
    token = key.sign(GOOD)
    said = read_unverified(token)
    assert (said.algorithm, said.kid) == (key.algorithm, key.kid)
    claims = verify(token, published(key).keys[0], key.algorithm)
    assert claims == said.claims
    assert (claims.iss, claims.sub, claims.exp) == (GOOD["iss"], "desk", GOOD["exp"])


def test_what_another_key_signed_it_does_not() -> None:
    key = published(KEY).keys[0]
    signature = KEY.sign({**GOOD, "sub": "another"}).rpartition(".")[2]
    moved = f"{KEY.sign(GOOD).rpartition('.')[0]}.{signature}"
    for token in (rsa_key().sign(GOOD), moved, ec_key("rsa-1").sign(GOOD), unsigned(GOOD)):
        with pytest.raises(NotProven) as refused:
            verify(token, key, "RS256")
        assert refused.value.cause is Cause.SIGNATURE


CLAIMS: list[dict[str, Any]] = [
    *({name: None} for name in GOOD),
    {"exp": "soon"},
    {"exp": -1},
    {"exp": 1e300},
    {"exp": float("nan")},
    {"exp": float("inf")},
    {"iat": True},
    {"nbf": "now"},
    {"sub": 7},
    {"iss": ["https://issuer.example.com"]},
    {"aud": {"gateway": True}},
    {"aud": ["gateway", 7]},
]


@pytest.mark.parametrize("changes", CLAIMS, ids=str)
def test_a_claim_that_is_missing_or_mistyped_makes_a_token_none(changes: dict[str, Any]) -> None:
    # PyJWT itself refuses to encode some of them.
    token = unsigned({k: v for k, v in {**GOOD, **changes}.items() if v is not None}, "RS256")
    with pytest.raises(NotProven) as refused:
        read_unverified(f"{token}c2ln")
    assert refused.value.cause is Cause.CLAIMS


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"b64": False}, {"kid": ""}],
    ids=str,
)
def test_a_critical_extension_is_refused_and_an_odd_header_finds_no_key(
    header: dict[str, Any],
) -> None:
    token = KEY.sign(GOOD, **header)
    if header == {"kid": ""}:
        assert published(KEY).find(read_unverified(token).kid, "RS256") is None
        return
    with pytest.raises(NotProven) as refused:
        read_unverified(token)
    assert refused.value.cause is Cause.CLAIMS


def test_a_key_that_the_token_brings_along_is_not_looked_at() -> None:
    mine = rsa_key()
    token = mine.sign(GOOD, jwk=mine.jwk, jku="https://evil.example.com/jwks", x5c=["MIIB"])
    with pytest.raises(NotProven):
        verify(token, published(KEY).keys[0], "RS256")


def test_a_token_is_no_longer_than_eight_kibibytes() -> None:
    long = KEY.sign({**GOOD, "more": "x" * 8192})
    with pytest.raises(NotProven):
        read_unverified(long)


@pytest.mark.parametrize("audience", ["gateway", ["other", "gateway"]])
def test_an_audience_may_be_one_of_several(audience: object) -> None:
    claims = read_unverified(KEY.sign({**GOOD, "aud": audience})).claims
    assert claims.is_for("gateway")
    assert not claims.is_for("gate")


@given(st.text())
def test_any_text_is_a_token_or_raises_not_proven(token: str) -> None:
    for each in (token, f"{token}.{token}.{token}"):
        if looks_like_jwt(each):
            with pytest.raises(NotProven):
                read_unverified(each)


def test_times_may_have_fractions() -> None:
    later = time.time() + 60.5
    assert read_unverified(KEY.sign({**GOOD, "exp": later})).claims.exp == later
