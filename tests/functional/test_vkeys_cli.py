"""`narkasa-gateway vkeys` beside gateways that run: a key holds at once, and no longer at once."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.functional.callers import Json
from tests.functional.conftest import running_service
from tests.functional.exchange import wall_clock_ms
from tests.functional.service import Service
from tests.functional.shell import Ended, run
from tests.processes import eventually

KEK = f"test {base64.b64encode(b'k' * 32).decode()}"
WALLET = "/v3/api/balance/wallet"
INVALID = "20001"
CLOSED_FOR_POLICY = 1008


@dataclass(frozen=True)
class Pair:
    """A virtual key as its holder has it."""

    key_id: str
    api_key: str
    api_secret: str

    def sign(self, text: str) -> str:
        return hmac.new(self.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def wallet(self, service: Service) -> Json:
        """Read the wallet, signed."""
        text = f"timestamp={wall_clock_ms()}"
        url = f"{WALLET}?{text}&signature={self.sign(text)}"
        return service.http.get(url, headers={"X-APNK-APIKEY": self.api_key}).json()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway with a key-encryption key, and keys of the exchange from a folder."""
    settings = {"NGW_KEY_ENCRYPTION_KEY": KEK}
    with running_service(tmp_path_factory, settings=settings) as running:
        yield running


def vkeys(service: Service, *words: str) -> Ended:
    """Run a command as the gateway's operator would."""
    env = {"NGW_STATE_REDIS_URL": service.valkey.url, "NGW_KEY_ENCRYPTION_KEY": KEK}
    done = run("vkeys", *words, env=env)
    assert done.status == 0, done.printed
    return done


def issue(service: Service, principal: str = "trader", account: str = "demo") -> Pair:
    printed = vkeys(service, "issue", "--principal", principal, "--account", account).printed
    (key_id,) = re.findall(r"(vk-[0-9a-f]{12}) lets its holder", printed)
    (api_key,) = re.findall(r"VIRTUAL_API_KEY=(\w+)", printed)
    (api_secret,) = re.findall(r"VIRTUAL_API_SECRET=(\w+)", printed)
    return Pair(key_id, api_key, api_secret)


def test_a_key_holds_on_every_gateway_from_its_issue_to_its_revocation(service: Service) -> None:
    with closing(service.replica()) as replica:
        replica.start()
        pair = issue(service)
        for gateway in (service, replica):
            assert pair.wallet(gateway)["code"] == "00000"
        vkeys(service, "revoke", pair.key_id)
        for gateway in (service, replica):
            assert pair.wallet(gateway)["code"] == INVALID


def test_a_key_outlives_a_restart_of_the_gateway(service: Service) -> None:
    pair = issue(service)
    with closing(service.replica()) as later:
        later.start()
        assert pair.wallet(later)["code"] == "00000"


def test_a_key_is_good_for_its_principal_and_account_alone(service: Service) -> None:
    granted, stranger = issue(service), issue(service, "stranger")
    elsewhere = issue(service, "trader", "vault")
    assert granted.wallet(service)["code"] == "00000"
    for pair in (stranger, elsewhere):
        assert pair.wallet(service)["code"] == "20011"
    mixed = Pair("", granted.api_key, stranger.api_secret)
    assert mixed.wallet(service)["code"] == INVALID


@contextmanager
def logged_in(service: Service, pair: Pair) -> Iterator[ClientConnection]:
    """A stream that the pair has opened for its account."""
    login = {"method": "USER_STREAMS", "apiKey": pair.api_key, "signature": pair.sign(pair.api_key)}
    with connect(f"ws://127.0.0.1:{service.port}/v3", proxy=None) as stream:
        stream.send(json.dumps(login))
        answer: dict[str, Any] = json.loads(stream.recv(timeout=20))
        assert answer["status"] == "success", answer
        yield stream


def test_an_open_stream_is_closed_when_its_key_is_revoked_and_no_other(service: Service) -> None:
    revoked, kept = issue(service), issue(service)
    with logged_in(service, revoked) as closing_soon, logged_in(service, kept) as staying:
        vkeys(service, "revoke", revoked.key_id)
        with pytest.raises(ConnectionClosed) as closed:
            closing_soon.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSED_FOR_POLICY
        staying.send(json.dumps({"method": "LIST_SUBSCRIPTIONS"}))
        assert json.loads(staying.recv(timeout=20))["method"] == "LIST_SUBSCRIPTIONS"


def test_the_gateway_never_logs_a_half_of_a_pair_or_its_login(service: Service) -> None:
    pair = issue(service)
    secrets = (pair.api_key, pair.api_secret, pair.sign(pair.api_key))
    assert pair.wallet(service)["code"] == "00000"
    with logged_in(service, pair):
        pass
    for secret in secrets:
        service.http.get(f"/v3/api/{secret}", headers={"User-Agent": secret, "traceparent": secret})
    revoked = f'"key": "{pair.key_id}"'
    vkeys(service, "revoke", pair.key_id)
    assert eventually(lambda: revoked in service.log.read_text())
    log = service.log.read_text()
    assert not any(secret in log for secret in secrets)


def test_no_half_of_a_pair_is_a_word_of_a_command(service: Service) -> None:
    issued = vkeys(service, "issue", "--principal", "trader", "--account", "demo")
    for half in re.findall(r"ngwv\w{60}", issued.printed):
        assert half.encode() not in issued.arguments


def test_an_entry_that_does_not_open_makes_the_gateway_say_so(service: Service) -> None:
    pair = issue(service)
    other = {
        "NGW_STATE_REDIS_URL": service.valkey.url,
        "NGW_KEY_ENCRYPTION_KEY": f"other {base64.b64encode(b'o' * 32).decode()}",
    }
    issued = run("vkeys", "issue", "--principal", "trader", "--account", "demo", env=other)
    (lost,) = re.findall(r"(vk-[0-9a-f]{12}) lets its holder", issued.printed)
    assert eventually(lambda: lost in service.http.get("/readyz").text)
    assert pair.wallet(service)["code"] == "00000"
    vkeys(service, "revoke", lost)
    assert eventually(lambda: lost not in service.http.get("/readyz").text)


def test_an_entry_that_nobody_can_read_is_revoked_and_the_rest_is_resealed(
    service: Service,
) -> None:
    pair, digest = issue(service), hashlib.sha256(b"of nothing").hexdigest()
    service.valkey.command("HSET", "ngw:1:virtual-keys", digest, "junk")
    assert eventually(lambda: digest in service.http.get("/readyz").text)
    env = {"NGW_STATE_REDIS_URL": service.valkey.url, "NGW_KEY_ENCRYPTION_KEY": KEK}
    assert digest in run("vkeys", "list", env=env).printed
    assert run("vkeys", "reseal", env=env).status == 2
    vkeys(service, "revoke", digest[:8])
    vkeys(service, "reseal")
    assert eventually(lambda: digest not in service.http.get("/readyz").text)
    assert pair.wallet(service)["code"] == "00000"


def test_all_keys_of_a_principal_end_with_one_command(service: Service) -> None:
    first, second, others = issue(service), issue(service), issue(service, "second-trader")
    told = vkeys(service, "revoke", "--principal", "trader", "--account", "demo").printed
    assert {first.key_id, second.key_id} <= set(re.findall(r"(vk-\w+) \(trader on demo\)", told))
    assert [pair.wallet(service)["code"] for pair in (first, second, others)] == [
        INVALID,
        INVALID,
        "00000",
    ]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--account", "demo"),
        ("vk-0123456789ab", "--principal", "trader"),
        ("vk-0123456789ab", "--account", "demo"),
    ],
    ids=["nothing", "account", "both", "id-and-account"],
)
def test_revoke_says_in_a_sentence_what_it_must_be_told(
    service: Service, words: tuple[str, ...]
) -> None:
    env = {"NGW_STATE_REDIS_URL": service.valkey.url}
    done = run("vkeys", "revoke", *words, env=env)
    assert done.status == 2
    assert "name one ID, or --principal" in done.printed
