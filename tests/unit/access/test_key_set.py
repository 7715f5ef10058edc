import json
from typing import Any

import pytest

from gateway.access.key_set import ASYMMETRIC, NoKeys, parse_key_set
from gateway.access.policy_text import Algorithm
from tests.oidc.keys import ec_key, ed_key, rsa_key

RSA, EC, ED = rsa_key(), ec_key(), ed_key()
BARE = {name: value for name, value in RSA.jwk.items() if name not in {"alg", "use"}}


def text(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_each_key_is_for_the_algorithms_of_its_kind() -> None:
    found = parse_key_set(text(RSA.jwk, EC.jwk, ED.jwk))
    assert [(key.kid, key.algorithms) for key in found.keys] == [
        ("rsa-1", frozenset({"RS256"})),
        ("ec-1", frozenset({"ES256"})),
        ("ed-1", frozenset({"EdDSA"})),
    ]
    (bare,) = parse_key_set(text(BARE)).keys
    assert bare.algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def test_no_algorithm_lets_who_checks_a_token_make_one() -> None:
    assert not [name for name in ASYMMETRIC if name.startswith(("HS", "none"))]


UNUSABLE: list[dict[str, Any]] = [
    {"kty": "oct", "k": "c2VjcmV0LXRoYXQtaXMtc2hhcmVkLWFuZC1sb25nLWVub3VnaA", "alg": "HS256"},
    {**RSA.jwk, "use": "enc"},
    {**RSA.jwk, "key_ops": ["sign"]},
    {**RSA.jwk, "alg": "HS256"},
    {**RSA.jwk, "alg": "ES256"},
    {**RSA.jwk, "n": "not base64!"},
    {**RSA.jwk, "n": 7},
    {**RSA.jwk, "kid": 7},
    {**EC.jwk, "crv": "secp256k1", "alg": "ES256K"},
    {**EC.jwk, "x": EC.jwk["y"]},
    rsa_key(bits=1024).jwk,
    rsa_key().private_jwk,
    {},
]


@pytest.mark.parametrize("key", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_key_that_must_not_check_a_signature_is_passed_over(key: dict[str, Any]) -> None:
    found = parse_key_set(text(key, ED.jwk))
    assert [each.kid for each in found.keys] == ["ed-1"]
    with pytest.raises(NoKeys):
        parse_key_set(text(key))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[" * 100_000],
    ids=range(8),
)
def test_what_is_no_key_set_has_no_keys(content: bytes) -> None:
    with pytest.raises(NoKeys):
        parse_key_set(content)


def test_a_key_is_found_by_its_id_and_without_one_if_it_is_the_only_one() -> None:
    other = rsa_key("rsa-2")
    several = parse_key_set(text(RSA.jwk, other.jwk, {**EC.jwk, "kid": "rsa-1"}))
    assert several.find("rsa-2", "RS256") == several.keys[1]
    assert several.find("rsa-1", "RS256") == several.keys[0]
    assert several.find("rsa-1", "ES256") == several.keys[2]
    assert several.find("rsa-2", "ES256") is None
    assert several.find("rsa-3", "RS256") is None
    assert several.find(None, "RS256") is None
    assert parse_key_set(text(RSA.jwk, EC.jwk)).find(None, "RS256") is None
    single = parse_key_set(text(RSA.jwk))
    assert single.find(None, "RS256") == single.keys[0]
    assert single.find(None, "ES256") is None
    assert single.find("rsa-2", "RS256") is None


def test_two_keys_of_one_id_are_neither() -> None:
    twice = parse_key_set(text(RSA.jwk, rsa_key("rsa-1").jwk))
    assert twice.find("rsa-1", "RS256") is None


def test_a_key_that_is_published_again_is_the_same() -> None:
    assert parse_key_set(text(RSA.jwk)) == parse_key_set(text(RSA.jwk))
    assert parse_key_set(text(RSA.jwk)) != parse_key_set(text(rsa_key().jwk))


def test_a_policy_may_name_just_the_algorithms_that_keys_are_for() -> None:
    assert {each.value for each in Algorithm} == ASYMMETRIC
