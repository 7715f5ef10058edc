"""What a policy file says of issuers of tokens, and of the identities that they vouch for."""

import pytest

from gateway.access.faults import BadPolicy
from gateway.access.key_set import ASYMMETRIC
from gateway.access.policy import Issuer
from gateway.access.policy_text import Algorithm
from tests.unit.access.examples import FULL, changed, faults, parse


def test_issuers_are_told_in_full() -> None:
    assert parse(FULL).issuers == (
        Issuer("sso", "https://login.example.com", "gateway", ("ES256", "EdDSA")),
        Issuer(
            "cluster",
            "kubernetes/serviceaccount",
            "gateway",
            ("RS256",),
            "https://kubernetes.default.svc/openid/v1/jwks",
            "/ca.crt",
            "/token",
        ),
    )


def test_an_identity_holds_from_the_moment_that_the_file_says() -> None:
    policy, begin = parse(FULL), 1_767_225_600_000
    assert policy.identify("sso", "desk", begin) is not None
    assert policy.identify("sso", "desk", begin - 1) is None
    assert policy.identify("cluster", "system:serviceaccount:trading:desk", 0) is not None


@pytest.mark.parametrize(
    "issuer", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"]
)
def test_an_issuer_on_this_machine_may_speak_plain_http(issuer: str) -> None:
    assert parse(changed("https://login.example.com", issuer)).issuers[0].issuer == issuer


PLAIN = "'subject': expected 1 to 512 printable ASCII characters without spaces"
ADDRESS = "expected an address such as 'https://issuer.example.com', http only to loopback"
ALGORITHMS = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"


BAD: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "issuer-undeclared": (
        changed("issuer: sso,", "issuer: soso,"),
        [(20, "issuer 'soso' is not under 'issuers'")],
    ),
    "issuer-twice": (
        changed("kubernetes/serviceaccount", "https://login.example.com"),
        [(8, "this issuer stands on line 6 already")],
    ),
    "issuer-id-twice": (
        changed("id: cluster", "id: sso").replace("issuer: cluster", "issuer: sso"),
        [(7, "issuer 'sso' stands on line 6 already")],
    ),
    "identity-twice": (
        changed('cluster, subject: "system:serviceaccount:trading:desk"', "sso, subject: desk"),
        [(20, "this identity stands on line 19 already")],
    ),
    "subject-missing": (
        changed(", subject: desk,", ","),
        [(20, "'subject' is missing")],
    ),
    "subject-with-a-break": (
        changed("subject: desk,", 'subject: "a\\nb",'),
        [(20, PLAIN)],
    ),
    "issued-after-naive": (
        changed("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
        [(20, "'issued_after': expected a time such as 2027-01-31T00:00:00Z")],
    ),
    "issuer-over-http": (
        changed("https://login.example.com", "http://login.example.com"),
        [(6, f"'issuer': {ADDRESS}")],
    ),
    "issuer-with-a-password": (
        changed("https://login.example.com", "https://a:b@login.example.com"),
        [(6, f"'issuer': {ADDRESS}")],
    ),
    "issuer-no-address": (
        changed("https://login.example.com", "login"),
        [(6, f"'issuer': {ADDRESS}")],
    ),
    "jwks-over-http": (
        changed("https://kubernetes.default.svc", "http://kubernetes.default.svc"),
        [(11, f"'jwks_url': {ADDRESS}")],
    ),
    "jwks-bad-port": (
        changed("https://kubernetes.default.svc", "https://kubernetes.default.svc:99999"),
        [(11, f"'jwks_url': {ADDRESS}")],
    ),
    "ca-file-relative": (
        changed("/ca.crt", "ca.crt"),
        [(12, "'ca_file': expected a path that begins with '/'")],
    ),
    "algorithm-none": (
        changed("[RS256]", "[none]"),
        [(10, f"unknown algorithm 'none'; known are: {ALGORITHMS}")],
    ),
    "algorithm-with-a-shared-secret": (
        changed("[RS256]", "[RS256, HS256]"),
        [(10, f"unknown algorithm 'HS256'; known are: {ALGORITHMS}")],
    ),
    "algorithms-empty": (changed("[RS256]", "[]"), [(10, "'algorithms' is empty")]),
    "algorithms-nothing": (changed("[RS256]", ""), [(10, "'algorithms' is empty")]),
    "audience-missing": (
        changed("    audience: gateway\n", ""),
        [(7, "'audience' is missing")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_each_fault_is_told_with_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    assert faults(text) == expected


TOKEN = "ngw_" + "Zx9" * 14 + "Z"


def test_a_token_in_place_of_an_identity_is_not_shown() -> None:
    for wrong in (f"[{TOKEN}]", f"[{{{TOKEN}: a}}]", f"[{{issuer: sso, subject: 'a {TOKEN}'}}]"):
        text = f"version: 1\naccounts: []\nprincipals: [{{id: a, kind: app, identities: {wrong}}}]"
        with pytest.raises(BadPolicy) as raised:
            parse(text)
        assert TOKEN[:12] not in str(raised.value) + repr(raised.value)


def test_every_algorithm_that_can_be_named_can_be_checked() -> None:
    assert set(map(str, Algorithm)) == ASYMMETRIC
