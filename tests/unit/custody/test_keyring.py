import json

import pytest

from gateway.custody.credential import Credential
from gateway.custody.keyring import Keyring
from gateway.domain.errors import UnknownAccount

KEYRING = Keyring(
    {"savings": Credential("key-2", "secret-2"), "demo": Credential("key-1", "secret-1")}
)


def test_a_keyring_names_its_accounts_in_order() -> None:
    assert KEYRING.accounts == ("demo", "savings")


def test_each_account_signs_with_its_own_secret() -> None:
    demo, savings = (KEYRING.signer(account)("a=1") for account in KEYRING.accounts)
    assert demo.header == ("X-APNK-APIKEY", "key-1")
    assert savings.header == ("X-APNK-APIKEY", "key-2")
    assert demo.text != savings.text


def test_each_account_logs_in_with_its_own_key() -> None:
    assert json.loads(KEYRING.login_frame("savings")())["apiKey"] == "key-2"


def test_an_account_without_a_key_is_unknown() -> None:
    with pytest.raises(UnknownAccount):
        KEYRING.signer("other")
    with pytest.raises(UnknownAccount):
        KEYRING.login_frame("other")


def test_the_secrets_are_all_that_must_never_be_printed() -> None:
    login = json.loads(KEYRING.login_frame("demo")())["signature"]
    assert KEYRING.secrets() >= {"key-1", "secret-1", "key-2", "secret-2", login}
    assert len(KEYRING.secrets()) == 6


def test_neither_a_keyring_nor_what_it_hands_out_shows_a_secret() -> None:
    shown = repr([KEYRING, KEYRING.signer("demo"), KEYRING.login_frame("demo")])
    assert "demo" in shown
    assert not any(secret in shown for secret in KEYRING.secrets())
