"""Tokens of a real OpenID provider, and of those who pretend to be one, over real connections."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, open_socket
from tests.functional.conftest import running_service
from tests.functional.service import Service
from tests.oidc.keys import IssuerKey, claims_of, confused, ec_key, rsa_key, unsigned
from tests.oidc.provider import AUDIENCE, OTHER_AUDIENCE, OpenIdProvider, running_provider
from tests.processes import eventually

TICKERS = operation("watch-tickers")
WHO = "{ viewer { principal } }"
POD = "system:serviceaccount:trading:desk"
KEY = rsa_key()


@dataclass
class House:
    """A gateway whose policy trusts a provider."""

    service: Service
    provider: OpenIdProvider

    def caller(self, token: str) -> Caller:
        """Who has a token."""
        return Caller(self.service.http, token)

    def status(self, token: str) -> int:
        """The status with which a token is answered."""
        return self.caller(token).post(WHO).status_code

    def claims(self, **changes: object) -> dict[str, Any]:
        """Those of a good token of the pod, with changes."""
        return claims_of(self.provider.issuer, AUDIENCE, POD, **changes)

    def write_policy(self, **changes: dict[str, Any] | None) -> None:
        """Trust the provider for two principals, with changes to their identities."""
        identities = {
            "desk": {"issuer": "cluster", "subject": "desk"},
            "pod": {"issuer": "cluster", "subject": POD},
            **changes,
        }
        issuer = {
            "id": "cluster",
            "issuer": self.provider.issuer,
            "audience": AUDIENCE,
            "algorithms": ["RS256", "ES256"],
        }
        principals = [
            {
                "id": name,
                "kind": "app",
                "identities": [] if identity is None else [identity],
                "grants": [{"id": f"{name}-market", "actions": ["market:read"]}],
            }
            for name, identity in identities.items()
        ]
        policy = {
            "version": 1,
            "accounts": ["demo", "vault"],
            "issuers": [issuer],
            "principals": principals,
        }
        self.service.write_policy_text(json.dumps(policy))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway and a provider that these tests share."""
    settings = {"NGW_JWKS_REFRESH_S": "1"}
    with (
        running_provider(KEY) as provider,
        running_service(tmp_path_factory, settings=settings) as service,
    ):
        yield House(service, provider)


@pytest.fixture
def house(running: House) -> Iterator[House]:
    """Them, with the usual policy in force and the usual key published."""
    running.write_policy()
    assert eventually(lambda: running.status(KEY.sign(running.claims())) == 200)
    yield running
    running.provider.stop()
    running.provider.start([KEY])


def test_a_provider_s_token_proves_its_client(house: House) -> None:
    caller = house.caller(house.provider.token())
    assert caller.answer(WHO) == {"viewer": {"principal": "desk"}}
    with open_socket(house.service.ws_url, caller.token) as socket:
        socket.subscribe(TICKERS)
        assert socket.next()


def test_a_projected_token_of_kubernetes_proves_its_pod(house: House) -> None:
    claims = house.claims(
        aud=["https://kubernetes.default.svc", AUDIENCE],
        nbf=int(time.time()),
        **{"kubernetes.io": {"namespace": "trading", "serviceaccount": {"name": "desk"}}},
    )
    assert house.caller(KEY.sign(claims)).answer(WHO) == {"viewer": {"principal": "pod"}}


FORGERIES = (
    "nothing signs it",
    "the public key signs it as a secret",
    "another key signs it",
    "a key that it brings along signs it",
    "a key of no such id signs it",
    "a key of another kind signs it",
    "it is another issuer's",
    "it is for another service",
    "it is of nobody here",
    "it has expired",
    "it is not good yet",
    "its signature is cut off",
    "it has an extension that must be understood",
)
EVIL = rsa_key(KEY.kid)


def forged(house: House, what: str) -> tuple[str, str]:
    """A token that must prove nothing, and the word for why."""
    claims = house.claims()
    hour = int(time.time()) + 3600
    brought = {"jwk": EVIL.jwk, "jku": "https://evil.example.com/jwks"}
    tokens: dict[str, tuple[str, str]] = {
        "nothing signs it": (unsigned(claims), "algorithm"),
        "the public key signs it as a secret": (confused(KEY, claims), "algorithm"),
        "another key signs it": (EVIL.sign(claims), "signature"),
        "a key that it brings along signs it": (EVIL.sign(claims, **brought), "signature"),
        "a key of no such id signs it": (EVIL.sign(claims, kid="evil"), "key"),
        "a key of another kind signs it": (ec_key(KEY.kid).sign(claims), "key"),
        "it is another issuer's": (KEY.sign({**claims, "iss": AUDIENCE}), "issuer"),
        "it is for another service": (house.provider.token(OTHER_AUDIENCE), "audience"),
        "it is of nobody here": (KEY.sign({**claims, "sub": "root"}), "subject"),
        "it has expired": (KEY.sign({**claims, "exp": hour - 3601}), "expired"),
        "it is not good yet": (KEY.sign({**claims, "nbf": hour}), "not_yet"),
        "its signature is cut off": (KEY.sign(claims).rpartition(".")[0] + ".", "signature"),
        "it has an extension that must be understood": (
            KEY.sign(claims, crit=["exp"]),
            "claims",
        ),
    }
    return tokens[what]


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_is_refused_and_only_the_operator_learns_why(
    house: House, what: str
) -> None:
    token, cause = forged(house, what)
    before = house.service.metric("gateway_unauthenticated_total", cause=cause)
    response = house.caller(token).post(WHO)
    assert response.status_code == 401
    (error,) = response.json()["errors"]
    assert error["message"] == "the token is unknown or has expired"
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    with open_socket(house.service.ws_url) as socket:
        socket.send(type="connection_init", payload={"Authorization": f"Bearer {token}"})
        assert socket.closed() == 4403
    assert house.service.metric("gateway_unauthenticated_total", cause=cause) == before + 2
    assert token not in house.service.log.read_text()


def test_a_new_key_counts_at_once_and_an_old_one_until_it_is_withdrawn(house: House) -> None:
    old, new = house.provider.token(), ec_key("new")
    with open_socket(house.service.ws_url, old) as socket:
        socket.subscribe(TICKERS)
        socket.next()
        restart(house.provider, new, KEY)
        assert house.status(house.provider.token()) == 200
        assert house.status(old) == 200
        socket.subscribe("{ __typename }", "2")
        while socket.receive()["id"] != "2":
            pass
        restart(house.provider, new)
        assert socket.closed() == 4403
    assert house.status(old) == 401
    assert house.status(house.provider.token()) == 200


def restart(provider: OpenIdProvider, *keys: IssuerKey) -> None:
    """Start it again with these keys."""
    provider.stop()
    provider.start(keys)


def test_while_the_provider_is_away_its_tokens_hold_and_it_is_reported(house: House) -> None:
    token = house.provider.token()
    assert eventually(lambda: house.service.readiness() == "ready")
    house.provider.stop()
    assert eventually(lambda: "issuers" in house.service.problems())
    assert "'cluster'" in house.service.problems()["issuers"]
    assert house.service.metric("gateway_issuer_problem") == 1
    assert house.status(token) == 200
    assert house.status(KEY.sign(house.claims())) == 200
    house.provider.start([KEY])
    assert eventually(lambda: "issuers" not in house.service.problems())
    assert house.service.metric("gateway_issuer_problem") == 0


def test_a_socket_closes_when_its_token_expires(house: House) -> None:
    expires = int(time.time()) + 3
    token = KEY.sign(house.claims(exp=expires))
    with open_socket(house.service.ws_url, token) as socket:
        socket.subscribe(TICKERS)
        socket.next()
        assert socket.closed() == 4403
    assert time.time() >= expires
    assert house.status(token) == 401


def test_tokens_issued_before_a_time_are_revoked_together(house: House) -> None:
    leaked = KEY.sign(house.claims())
    later = datetime.fromtimestamp(int(time.time()) + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open_socket(house.service.ws_url, leaked) as socket:
        house.write_policy(pod={"issuer": "cluster", "subject": POD, "issued_after": later})
        assert socket.closed() == 4403
    assert house.status(leaked) == 401
    assert eventually(lambda: house.status(KEY.sign(house.claims())) == 200)


def test_an_identity_taken_away_closes_its_sockets_and_no_others(house: House) -> None:
    pod, desk = KEY.sign(house.claims()), house.provider.token()
    with (
        open_socket(house.service.ws_url, pod) as lost,
        open_socket(house.service.ws_url, desk) as kept,
    ):
        house.write_policy(pod=None)
        assert lost.closed() == 4403
        kept.subscribe("{ __typename }")
        assert kept.next()
    assert house.status(pod) == 401
