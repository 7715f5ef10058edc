"""Tokens that never were any good, and those that are not any more, on open sockets too."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from graphql import get_introspection_query
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.key_server import KeyServer
from tests.functional.ordering import PLACE, accepted, command
from tests.functional.service import Service
from tests.oidc.keys import IssuerKey, claims_of, rsa_key
from tests.processes import eventually

WHO = "{ viewer { principal } }"
SUSPEND, RESTORE = operation("suspend-principal"), operation("restore-principal")
AUDIENCE = "https://gateway.example.com"
SUBJECT = "system:serviceaccount:trading:desk"
KEY, EVIL = rsa_key("good"), rsa_key("evil")


@dataclass
class House:
    """A gateway whose policy trusts one issuer, and lets one principal of its trade."""

    service: Service
    issuer: KeyServer

    def token(self, key: IssuerKey = KEY, header: Json = None, **claims: object) -> str:
        """A token of that principal, or what looks like one."""
        said = claims_of(self.issuer.url, AUDIENCE, SUBJECT, **claims)
        return key.sign(said, **(header or {}))

    def caller(self, token: str) -> Caller:
        """Who has a token."""
        return Caller(self.service.http, token)

    def write_policy(self, *, tokens: Json = (), grants: bool = True, **identity: object) -> None:
        """Let the principal in by its JWTs and by `tokens`."""
        actions = ["account:read", "orders:place", "orders:cancel", "orders:read-all"]
        desk: dict[str, Any] = {
            "id": "desk",
            "kind": "app",
            "identities": [{"issuer": "cluster", "subject": SUBJECT, **identity}],
            "grants": [{"id": "desk-trades", "account": "demo", "actions": actions}],
        }
        if tokens:
            desk["tokens"] = tokens
        if not grants:
            desk["grants"] = []
        issuer = {
            "id": "cluster",
            "issuer": self.issuer.url,
            "audience": AUDIENCE,
            "algorithms": ["RS256"],
            "jwks_url": f"{self.issuer.url}/keys",
        }
        members = [member.entry() for member in self.service.members.values()]
        policy = {
            "version": 1,
            "accounts": ["demo", "vault"],
            "issuers": [issuer],
            "principals": [desk, *members],
        }
        self.service.write_policy_text(json.dumps(policy))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway and an issuer that these tests share."""
    with KeyServer(KEY) as issuer, running_service(tmp_path_factory) as service:
        yield House(service, issuer)


@pytest.fixture
def house(running: House) -> Iterator[House]:
    """Them, with the usual policy in force and nobody suspended."""
    running.write_policy()
    operator = running.service.caller("operator")
    operator.answer(RESTORE, principal="desk", reason="another test")
    assert eventually(lambda: running.caller(running.token()).post(WHO).status_code == 200)
    yield running
    running.service.exchange.sweep()


def by_policy(house: House) -> None:
    """Take the subject out of the policy."""
    house.write_policy(subject="system:serviceaccount:trading:nobody")


def by_time(house: House) -> None:
    """Revoke what was issued up to now."""
    later = datetime.now(UTC) + timedelta(seconds=1)
    house.write_policy(issued_after=later.strftime("%Y-%m-%dT%H:%M:%SZ"))


def by_suspension(house: House) -> None:
    """Suspend the principal."""
    operator = house.service.caller("operator")
    answer = operator.answer(SUSPEND, principal="desk", reason="its token is on a screenshot")
    assert answer["suspendPrincipal"]["__typename"] == "PrincipalSuspended"


def by_expiry(house: House) -> None:
    """Let the time of the token run out."""


ORDERS = 'subscription { orders(account: "demo") { ... on Order { orderId } } }'
PRICE = "310000"
"""At which nobody else places orders."""


def insist(socket: Socket, name: str) -> int | None:
    """Place one order after the other until the gateway closes; give its code."""
    for number in count():
        try:
            socket.subscribe(PLACE, f"p{number}", **command(f"{name}-{number}", price=PRICE))
            while socket.receive()["type"] != "complete":
                pass
        except ConnectionClosed:
            frame = socket.connection.protocol.close_rcvd
            return None if frame is None else frame.code
    return None


@pytest.mark.parametrize(
    "revoke",
    [by_policy, by_time, by_suspension, by_expiry],
    ids=["policy", "time", "suspension", "expiry"],
)
def test_who_goes_on_trading_over_an_open_socket_is_shut_out(
    house: House, revoke: Callable[[House], None]
) -> None:
    exchange = house.service.exchange
    token = house.token(exp=int(time.time()) + (3 if revoke is by_expiry else 600))
    name = revoke.__name__
    seen = accepted(house.caller(token), name)["order"]["orderId"]
    with (
        open_socket(house.service.ws_url, token) as listener,
        open_socket(house.service.ws_url, token) as trading,
    ):
        listener.subscribe(ORDERS)
        assert listener.next() == {"orders": {"orderId": seen}}
        revoke(house)
        assert insist(trading, name) == 4403
        assert listener.closed() == 4403
    refused = house.caller(token).post(PLACE, **command(f"{name}-http", price=PRICE))
    assert refused.status_code == 401
    with open_socket(house.service.ws_url) as again:
        again.send(type="connection_init", payload={"Authorization": f"Bearer {token}"})
        assert again.closed() == 4403
    # What was under way when the socket closed has gone out after this, and nothing follows it.
    time.sleep(1.5)
    sent = exchange.requests("market/limit-buy", price=PRICE)
    accepted(house.service.caller("trader"), f"{name}-afterwards")
    assert exchange.requests("market/limit-buy", price=PRICE) == sent


def test_who_reads_nothing_cannot_stay_either(house: House) -> None:
    open_before = house.service.metric("gateway_sockets")
    with connect(
        house.service.ws_url,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers={"Authorization": f"Bearer {house.token()}"},
        compression=None,
        proxy=None,
        max_queue=1,
        close_timeout=1,
    ) as connection:
        connection.send('{"type": "connection_init"}')
        payload = {"query": get_introspection_query(descriptions=True)}
        for number in range(90):
            message = {"type": "subscribe", "id": str(number), "payload": payload}
            connection.send(json.dumps(message))
        assert house.service.metric("gateway_sockets") == open_before + 1
        by_policy(house)
        assert eventually(lambda: house.service.metric("gateway_sockets") == open_before)


def brought(issuer: KeyServer) -> dict[str, object]:
    """A header with the key that it wants to be checked by, and where to fetch it."""
    return {"jwk": EVIL.jwk, "jku": f"{issuer.url}/jku", "x5u": f"{issuer.url}/x5u"}


@pytest.mark.parametrize("kid", ["evil", "good", "../keys", "", "\x00", "' OR 1=1"])
def test_no_key_is_fetched_from_where_a_token_says(house: House, kid: str) -> None:
    with KeyServer(EVIL) as evil:
        header = {**brought(evil), "kid": kid}
        assert house.caller(house.token(EVIL, header)).post(WHO).status_code == 401
        elsewhere = house.token(EVIL, header, iss=evil.url)
        assert house.caller(elsewhere).post(WHO).status_code == 401
        assert evil.asked == []


def test_strangers_tokens_do_not_make_the_gateway_flood_an_issuer(house: House) -> None:
    begun = len(house.issuer.asked)

    def status(number: int) -> int:
        token = house.token(EVIL, {"kid": f"unknown-{number}"})
        return house.caller(token).post(WHO).status_code

    with ThreadPoolExecutor(10) as strangers:
        assert set(strangers.map(status, range(30))) == {401}
    asked = house.issuer.asked[begun:]
    assert len(asked) > 1
    assert all(later - earlier > 1 for earlier, later in pairwise(asked))


NESTED = "[" * 2500 + "]" * 2500
ODD = {
    "nested header": (f'{{"alg": "RS256", "x": {NESTED}}}', "{}"),
    "nested claims": ('{"alg": "RS256", "kid": "good"}', f'{{"x": {NESTED}}}'),
    "no object": ("[]", "[]"),
    "no text": ('{"alg": 7, "kid": ["good"]}', "{}"),
    "half a character": ('{"alg": "RS256", "kid": "\\ud800"}', '{"iss": "\\udc00"}'),
    "a list of algorithms": ('{"alg": ["none", "RS256"]}', "{}"),
    "alg in another case": ('{"alg": "None"}', "{}"),
    "b64 false": ('{"alg": "RS256", "kid": "good", "b64": false, "crit": ["b64"]}', "{}"),
    "alg twice": ('{"alg": "RS256", "alg": "none", "kid": "good"}', "{}"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_token_is_refused_and_troubles_nobody(house: House, name: str) -> None:
    before = house.service.log.stat().st_size
    parts = [urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in ODD[name]]
    for signature in ("", "AAAA", parts[1]):
        token = ".".join([*parts, signature])
        assert house.caller(token).post(WHO).status_code == 401
    assert house.service.complaints(before) == []


def test_claims_that_are_numbers_beyond_all_bounds_are_refused(house: House) -> None:
    before = house.service.log.stat().st_size
    for claims in ({"exp": 10**400}, {"exp": -1}, {"exp": True}, {"iat": 10**30}, {"exp": "9" * 9}):
        token = house.token(**claims)
        assert house.caller(token).post(WHO).status_code == 401
    assert house.service.complaints(before) == []
