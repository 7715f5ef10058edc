from decimal import Decimal
from pathlib import Path

import pytest

from gateway.sandbox import Account, AccountsFileError, KeyPair, SandboxConfig, load_accounts

GOOD = """{"accounts": [{"id": "demo", "keys": [{"apiKey": "the-key", "apiSecret": "the-secret"}],
"balances": {"USDT": "100000", "BTC": 0.123456789012345678}}]}"""


def test_accounts_are_read_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(GOOD)
    balances = {"USDT": Decimal(100_000), "BTC": Decimal("0.123456789012345678")}
    assert load_accounts(path) == (Account("demo", (KeyPair("the-key", "the-secret"),), balances),)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", GOOD.replace("apiSecret", "apisecret"), GOOD.replace('"demo"', "1")]
)
def test_a_file_that_is_not_accounts_is_named_without_its_secrets(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(text)
    with pytest.raises(AccountsFileError, match=r"accounts\.json: ") as caught:
        load_accounts(path)
    assert "the-" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccountsFileError, match="No such file"):
        load_accounts(tmp_path / "nowhere.json")


def test_keys_and_secrets_do_not_show() -> None:
    config = SandboxConfig(accounts=(Account("demo", (KeyPair("the-key", "the-secret"),), {}),))
    assert "the-" not in repr(config)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_control_is_for_this_machine(host: str) -> None:
    assert SandboxConfig(host=host, control=True).control


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])  # noqa: S104
def test_control_is_refused_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(ValueError, match=f"control needs a loopback host, not {host}"):
        SandboxConfig(host=host, control=True)
