"""Keys, the policy and an issuer's keys change under load: nothing fails that should pass."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import pytest

from gateway.sandbox import KeyPair
from tests.faults.tap import Tap
from tests.functional.callers import Caller
from tests.functional.conftest import running_service, tapped_service
from tests.functional.exchange import DEMO, QUIET
from tests.functional.key_sources import DONE, Mount, Terminal
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.functional.under_load import FOLLOWER, UNBOUNDED, Load, load
from tests.oidc.keys import IssuerKey, ec_key, rsa_key
from tests.oidc.provider import AUDIENCE, OpenIdProvider, running_provider
from tests.processes import eventually

FIRST = DEMO.keys[0]
SECOND, THIRD = (KeyPair(f"the-{name}-key", f"the-{name}-secret") for name in ("second", "third"))
KEYED = replace(QUIET, accounts=(replace(DEMO, keys=(FIRST, SECOND, THIRD)), *QUIET.accounts[1:]))
TRADER = Member("trader", (MARKET, READ, TRADE_ALL))
PEOPLE = (TRADER, FOLLOWER)


@dataclass
class Wire:
    """A gateway under load, and what its exchange hears."""

    service: Service
    tap: Tap
    load: Load

    def switched(self, slots: int) -> int:
        """How often the log tells that a key is in force, once it tells it of so many slots."""
        assert eventually(lambda: self._switches() >= slots)
        return self._switches()

    def check_in_force(self, now: KeyPair, before: KeyPair) -> None:
        """See that from here on one key is used and the one before it is not."""
        # What was signed before the switch may still be on its way.
        self.load.go_on()
        used, unused = self.tap.times_used(now.api_key), self.tap.times_used(before.api_key)
        self.load.go_on()
        assert self.tap.times_used(now.api_key) > used
        assert self.tap.times_used(before.api_key) == unused

    def logins(self, *keys: KeyPair) -> list[int]:
        """How often each key bound a stream to the account."""
        frames = self.tap.login_frames()
        return [sum(each.api_key in frame for frame in frames) for each in keys]

    def _switches(self) -> int:
        return sum(row["event"] == "key.switched" for row in self.service.events())


def check_whole(put: Load, service: Service, *errors: str, gaps: int) -> None:
    """See that followers were told of so many gaps, and that nothing is wrong.

    The log tells of these errors and no others.
    """
    assert put.gaps() == gaps
    assert sum(event["__typename"] == "Gap" for event in put.balances) == gaps
    # Of an order that ended within a gap followers cannot be told how; each of two traders has one.
    ends = Counter(put.standing().values())
    assert ends.keys() <= {"CANCELLED", "CLOSED_UNKNOWN"}
    assert ends["CLOSED_UNKNOWN"] <= 2 * gaps
    assert service.problems() == {}
    assert {row["event"] for row in service.events() if row["level"] == "error"} == set(errors)


def test_mounted_keys_are_switched_again_and_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mount = Mount(tmp_path_factory.mktemp("mount"))
    mount.hold(FIRST)
    settings = {"NGW_CREDENTIALS_DIR": str(mount.folder), **UNBOUNDED}
    with tapped_service(tmp_path_factory, KEYED, PEOPLE, settings) as (service, tap):
        with load(service, service.caller) as put:
            wire, switches = Wire(service, tap, put), 0
            for before, now in ((FIRST, SECOND), (SECOND, THIRD), (THIRD, FIRST)):
                mount.hold(now)
                switches = wire.switched(switches + 2)
                wire.check_in_force(now, before)
        assert wire.logins(FIRST, SECOND, THIRD) == [2, 1, 1]
        check_whole(put, service, gaps=3)


def test_sealed_keys_are_rotated_and_retired_from_a_shell(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shell = Terminal(tmp_path_factory.mktemp("sealed"), "")
    assert shell.keys("add", "demo", "trade", given=FIRST) == DONE
    assert shell.keys("add", "demo", "read", given=SECOND) == DONE
    settings = {"NGW_CREDENTIALS_DIR": "", **shell.settings, **UNBOUNDED}
    with tapped_service(tmp_path_factory, KEYED, PEOPLE, settings) as (service, tap):
        shell.exchange_url = service.exchange.url
        shell.settings["NGW_STATE_REDIS_URL"] = service.valkey.url
        with load(service, service.caller) as put:
            wire = Wire(service, tap, put)
            assert shell.keys("rotate", "demo", "trade", given=THIRD) == DONE
            wire.switched(1)
            wire.check_in_force(THIRD, FIRST)
            assert shell.keys("retire", "demo", "trade", "1") == DONE
            assert shell.keys("rotate", "demo", "read", given=FIRST) == DONE
            wire.switched(2)
            wire.check_in_force(FIRST, SECOND)
            assert shell.keys("reseal", "--new-kek") == DONE
            put.go_on()
        assert wire.logins(FIRST, SECOND, THIRD) == [1, 1, 0]
        check_whole(put, service, gaps=1)


@dataclass
class Proof:
    """The token that the load's requests carry from now on."""

    service: Service
    token: str

    def caller(self) -> Caller:
        """Who has it."""
        return Caller(self.service.http, self.token)

    def status(self, token: str) -> int:
        """The status with which a token is answered."""
        return Caller(self.service.http, token).post("{ viewer { kind } }").status_code

    def hand_over(self, token: str) -> str:
        """Have another token carried, once the gateway takes it; give the one before."""
        assert eventually(lambda: self.status(token) == HTTPStatus.OK)
        before, self.token = self.token, token
        return before

    def wait_for_end(self, token: str) -> None:
        """Wait until a token proves nothing any more."""
        assert eventually(lambda: self.status(token) == HTTPStatus.UNAUTHORIZED)


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway of this test alone."""
    settings = {"NGW_JWKS_REFRESH_S": "1", **UNBOUNDED}
    with running_service(tmp_path_factory, people=PEOPLE, settings=settings) as running:
        yield running


def write_policy(
    service: Service,
    *proofs: dict[str, str],
    others: Sequence[Member] = (),
    issuers: Sequence[dict[str, Any]] = (),
) -> None:
    """Let the trader be proven by these tokens or identities, the follower as ever."""
    trader = {
        **TRADER.entry(),
        "tokens": [each for each in proofs if "sha256" in each],
        "identities": [each for each in proofs if "issuer" in each],
    }
    policy = {
        "version": 1,
        "accounts": [account.account_id for account in service.accounts],
        "issuers": issuers,
        "principals": [*(member.entry() for member in others), trader, FOLLOWER.entry()],
    }
    service.write_policy_text(json.dumps(policy))


def test_the_policy_is_changed_refused_and_changed_again(service: Service) -> None:
    old, new = TRADER, replace(TRADER, name="trader-of-tomorrow")
    first, second = old.entry()["tokens"][0], new.entry()["tokens"][0]
    proof = Proof(service, old.token)
    with load(service, proof.caller) as put:
        for _ in range(3):
            write_policy(service, first, second)
            proof.hand_over(new.token)
            write_policy(service, second, others=[Member("newcomer", (MARKET,))])
            proof.wait_for_end(old.token)
            put.go_on()
            service.write_policy_text('{"version": 1, "accounts": ["demo"], "principal": []}')
            assert eventually(lambda: "policy" in service.problems())
            put.go_on()
            write_policy(service, first, second)
            proof.hand_over(old.token)
            write_policy(service, first)
            proof.wait_for_end(new.token)
            assert eventually(lambda: "policy" not in service.problems())
    check_whole(put, service, "policy.refused", gaps=0)


def test_an_issuer_changes_its_keys(service: Service) -> None:
    keys = [rsa_key("first"), ec_key("second"), rsa_key("third")]
    with running_provider(keys[0]) as provider:
        issuer = {
            "id": "cluster",
            "issuer": provider.issuer,
            "audience": AUDIENCE,
            "algorithms": ["RS256", "ES256"],
        }
        write_policy(service, {"issuer": "cluster", "subject": "desk"}, issuers=[issuer])
        proof = Proof(service, provider.token())
        proof.hand_over(proof.token)
        with load(service, proof.caller) as put:
            for old, new in pairwise(keys):
                publish(provider, new, old)
                withdrawn = proof.hand_over(provider.token())
                put.go_on()
                publish(provider, new)
                proof.wait_for_end(withdrawn)
                put.go_on()
        assert eventually(lambda: service.problems() == {})
        check_whole(put, service, gaps=0)


def publish(provider: OpenIdProvider, *keys: IssuerKey) -> None:
    """Start it again with these keys; the first signs."""
    provider.stop()
    provider.start(keys)
