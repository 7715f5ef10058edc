"""`check` tells every fault at once, and a sound configuration in one line."""

import asyncio
import os
from pathlib import Path

import pytest

from gateway.cli.checking import check
from gateway.custody import key_digest
from gateway.custody.encryption_keys import new_encryption_key, read_encryption_keys
from gateway.custody.virtual_pair import new_virtual_pair
from gateway.custody.virtual_sealing import seal_virtual
from gateway.domain.virtual_keys import VirtualKey
from gateway.store.virtual_keys import VirtualKeyStore
from tests.unit.store.examples import open_patient
from tests.valkey import ValkeyServer

POLICY = "version: 1\naccounts: [{accounts}]\nprincipals: []\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A sound configuration of one account, demo, with a key-encryption key."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(accounts="demo"))
    folder = tmp_path / "credentials" / "demo"
    folder.mkdir(parents=True)
    for name in ("api-key", "api-secret"):
        (folder / name).write_text("made-up")
        (folder / name).chmod(0o600)
    kek = tmp_path / "kek"
    kek.write_text(new_encryption_key("a", os.urandom))
    kek.chmod(0o600)
    return {
        "NGW_POLICY_FILE": str(policy),
        "NGW_KEY_ENCRYPTION_KEY_FILE": str(kek),
        "NGW_CREDENTIALS_DIR": str(folder.parent),
        "NGW_CACHE_REDIS_URL": "unix:///nonexistent/cache.sock",
        "NGW_STATE_REDIS_URL": "unix:///nonexistent/state.sock",
    }


def problems(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_sound_configuration_is_one_line(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(environ, connect=False) == 0
    assert capsys.readouterr() == ("configuration is sound\n", "")


def test_a_file_that_takes_no_line_is_a_warning(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AUDIT_FILE", "JOURNAL_EXPORT_FILE"):
        environ[f"NGW_{name}"] = str(tmp_path / "none" / "lines")
        assert check(environ, connect=False) == 0
        told = capsys.readouterr()
        assert told.out == "configuration is sound\n"
        assert told.err.startswith(f"warning: NGW_{name}: {tmp_path / 'none'} is not there")
        environ[f"NGW_{name}"] = str(tmp_path / "lines")
        assert check(environ, connect=False) == 0
        assert capsys.readouterr().err == ""


def test_faults_of_settings_policy_and_credentials_are_told_at_once(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(environ["NGW_POLICY_FILE"]).write_text("version: 2\naccounts: []\nprincipals: []\n")
    (Path(environ["NGW_CREDENTIALS_DIR"]) / "demo" / "api-key").write_text("")
    assert check(environ | {"NGW_PORT": "none", "NGW_PROT": "1"}, connect=False) == 2
    told = problems(capsys)
    for start in ("NGW_PORT: ", "NGW_PROT: ", environ["NGW_POLICY_FILE"] + ": line 1"):
        assert any(line.startswith(start) for line in told), (start, told)
    assert any("api-key" in line for line in told)
    assert len(told) == 4


def test_an_empty_environment_is_told_to_lack_what_it_lacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check({}, connect=False) == 2
    names = {line.partition(":")[0] for line in problems(capsys)}
    assert names == {
        "NGW_KEYS_FILE",
        "NGW_POLICY_FILE",
        "NGW_CACHE_REDIS_URL",
        "NGW_STATE_REDIS_URL",
    }


def test_accounts_must_be_declared_and_have_credentials_both(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(environ["NGW_POLICY_FILE"]).write_text(POLICY.format(accounts="other"))
    assert check(environ, connect=False) == 2
    assert problems(capsys) == [
        "account 'other': the policy declares it, but it has no credentials",
        "account 'demo': it has credentials, but the policy does not declare it",
    ]


def test_credentials_open_to_others_are_a_warning_and_no_fault(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(environ["NGW_CREDENTIALS_DIR"]) / "demo" / "api-secret").chmod(0o644)
    assert check(environ, connect=False) == 0
    captured = capsys.readouterr()
    assert captured.out == "configuration is sound\n"
    assert captured.err.startswith("warning: ")


def test_a_bad_candidate_policy_is_a_warning_and_no_fault(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = tmp_path / "candidate.yaml"
    candidate.write_text("version: 1\naccounts: [demo]\nprincipals: [nobody]\n")
    assert check(environ | {"NGW_POLICY_CANDIDATE_FILE": str(candidate)}, connect=False) == 0
    assert capsys.readouterr().err.startswith(f"warning: {candidate}: line 3")


def test_an_exchange_over_the_network_without_tls_is_a_warning_and_no_fault(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    open_to_all = {
        "NGW_EXCHANGE_REST_URL": "http://exchange.example.com",
        "NGW_EXCHANGE_WS_URL": "ws://10.0.0.7:9000/v3",
    }
    assert check(environ | open_to_all, connect=False) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in told] == [["warning", name] for name in open_to_all]


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "[::1]:8001", "localhost:8001"])
def test_an_exchange_on_this_machine_needs_no_tls(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], host: str
) -> None:
    addresses = {
        "NGW_EXCHANGE_REST_URL": f"http://{host}",
        "NGW_EXCHANGE_WS_URL": f"ws://{host}/v3",
    }
    assert check(environ | addresses, connect=False) == 0
    assert capsys.readouterr().err == ""


def test_no_secret_is_in_what_is_told(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    address = "redis://user:pass-word@127.0.0.1:none/0"
    texts = {
        "NGW_CACHE_REDIS_URL": address,
        "NGW_STATE_REDIS_URL": address,
        "NGW_CREDENTIALS": '{"demo": {"api_key": "the key", "api_secret": "the secret"}}',
    }
    assert check(environ | texts, connect=False) == 2
    told = "\n".join(problems(capsys))
    assert not any(secret in told for secret in ("pass-word", "the key", "the secret"))
    assert "NGW_CACHE_REDIS_URL: expected redis://" in told


def test_redis_is_asked_only_when_that_is_wanted(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], valkey: ValkeyServer
) -> None:
    environ |= {"NGW_STATE_REDIS_URL": valkey.url}
    assert check(environ, connect=True) == 2
    assert problems(capsys) == ["NGW_CACHE_REDIS_URL: the store is away (ConnectionError)"]
    environ |= {"NGW_CACHE_REDIS_URL": f"{valkey.url}?db=1"}
    assert check(environ, connect=True) == 0


def test_a_journal_that_may_lose_orders_is_a_fault_unless_that_is_accepted(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], own_valkey: ValkeyServer
) -> None:
    cache = f"{own_valkey.url}?db=1"
    environ |= {"NGW_STATE_REDIS_URL": own_valkey.url, "NGW_CACHE_REDIS_URL": cache}
    own_valkey.command("CONFIG", "SET", "appendonly", "no")
    assert check(environ, connect=True) == 2
    (fault,) = problems(capsys)
    assert fault.startswith("NGW_STATE_REDIS_URL: The order journal's Redis loses the last records")
    assert check(environ | {"NGW_JOURNAL_ACCEPT_VOLATILE": "true"}, connect=True) == 0
    assert capsys.readouterr().err == f"warning: {fault}\n"


def test_it_says_that_no_redis_was_looked_at_with_settings_that_are_wrong(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(environ | {"NGW_PORT": "none"}, connect=True) == 2
    assert "warning: no Redis was looked at" in capsys.readouterr().err


def test_without_a_key_encryption_key_it_says_what_is_missing(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(environ | {"NGW_KEY_ENCRYPTION_KEY_FILE": ""}, connect=False) == 0
    sound, missing = capsys.readouterr().out.splitlines()
    assert sound == "configuration is sound"
    assert missing.startswith("no virtual keys: NGW_KEY_ENCRYPTION_KEY_FILE is not set")


def test_a_faulty_key_encryption_key_is_told_once_also_without_a_sealed_file(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(environ["NGW_KEY_ENCRYPTION_KEY_FILE"]).write_text("no key\n")
    assert check(environ, connect=False) == 2
    (told,) = problems(capsys)
    assert "is no key-encryption key" in told
    assert check(environ | {"NGW_KEYS_FILE": "/nonexistent/keys.json"}, connect=False) == 2
    assert sum("is no key-encryption key" in line for line in problems(capsys)) == 1


@pytest.mark.parametrize(
    ("kek", "told"),
    [
        ("other", "virtual key 'vk-1' does not open: the key-encryption key 'a' is not among"),
        ("", "holds virtual keys (1), and there is no key-encryption key for them"),
    ],
    ids=["another", "none"],
)
def test_virtual_keys_that_do_not_open_are_a_warning(
    kek: str,
    told: str,
    environ: dict[str, str],
    valkey: ValkeyServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    issue_virtual_key(valkey.url, environ["NGW_KEY_ENCRYPTION_KEY_FILE"])
    both = {"NGW_CACHE_REDIS_URL": f"{valkey.url}?db=1", "NGW_STATE_REDIS_URL": valkey.url}
    assert check(environ | both, connect=True) == 0
    assert capsys.readouterr().err == ""
    if kek:
        (tmp_path / kek).write_text(new_encryption_key("b", os.urandom))
        (tmp_path / kek).chmod(0o600)
        kek = str(tmp_path / kek)
    assert check(environ | both | {"NGW_KEY_ENCRYPTION_KEY_FILE": kek}, connect=True) == 0
    assert told in capsys.readouterr().err


def issue_virtual_key(url: str, kek_file: str) -> None:
    keys = read_encryption_keys(Path(kek_file))
    pair = new_virtual_pair(os.urandom)
    digest = key_digest(pair[0])
    entry = seal_virtual(VirtualKey("vk-1", "desk", "demo", 1), digest, pair, keys, os.urandom)

    async def write() -> None:
        async with open_patient(url) as redis:
            await VirtualKeyStore(redis).add(digest, entry)

    asyncio.run(write())


@pytest.mark.parametrize(
    ("cache", "state"),
    [
        ("redis://redis", "rediss://me:pw@REDIS:6379/0?ssl_ca_certs=/ca.crt"),
        ("redis://redis/0?db=2", "redis://redis/2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
        ("redis+sentinel://a,b/main/0", "redis+sentinel://:pw@b:26379,a/main/0"),
        ("redis+sentinel://a,b/main", "redis+sentinel://a,b/main/0"),
    ],
)
def test_a_cache_in_the_database_of_the_journal_is_warned_of(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], cache: str, state: str
) -> None:
    named = {"NGW_CACHE_REDIS_URL": cache, "NGW_STATE_REDIS_URL": state}
    assert check(environ | named, connect=False) == 0
    told = capsys.readouterr().err
    assert "warning: NGW_CACHE_REDIS_URL, NGW_STATE_REDIS_URL: are the same database" in told
    assert "pw" not in told


@pytest.mark.parametrize(
    ("cache", "state"),
    [
        ("redis://redis/0", "redis://redis/1"),
        ("redis://redis:6379", "redis://redis:6380"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=1"),
        ("redis+sentinel://a,b/cache/0", "redis+sentinel://a,b/state/0"),
    ],
)
def test_two_databases_of_one_server_are_not_warned_of(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], cache: str, state: str
) -> None:
    named = {"NGW_CACHE_REDIS_URL": cache, "NGW_STATE_REDIS_URL": state}
    assert check(environ | named, connect=False) == 0
    assert capsys.readouterr() == ("configuration is sound\n", "")
