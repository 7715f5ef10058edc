from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Refusal
from gateway.sandbox.config import Account, KeyPair
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from tests.unit.sandbox.clients import (
    ANN,
    BOB,
    DOCUMENT_KEY,
    DOCUMENT_SECRET,
    NOW,
    hmac_hex,
)

DOCUMENT_SIGNATURE = "c9445c8f619a64524d58378dbc40d9bfa5148de895cd8c7df8ae769630c5b67c"
DOCUMENT_LOGIN = "d36256b4002dc7d604e739651ef8506e0fbdc9c03dffe17124f32e0c8e63ff02"
LOCAL = "127.0.0.1"

authenticator = Authenticator([ANN, BOB])


def signed(secret: str = DOCUMENT_SECRET, **values: str) -> Parameters:
    text = "&".join(f"{name}={value}" for name, value in values.items())
    return Parameters(values, text, hmac_hex(secret, text))


def account(parameters: Parameters, key: str | None = DOCUMENT_KEY, now: int = NOW) -> str:
    return authenticator.request_account(
        key, parameters, now, client=LOCAL, permission=Permission.TRADE
    )


def test_the_documents_signed_request_is_accepted() -> None:
    text = "timestamp=1578398112000"
    parameters = Parameters({"timestamp": "1578398112000"}, text, DOCUMENT_SIGNATURE)
    assert account(parameters) == "ann"


def test_the_documents_first_curl_sends_a_window_that_its_signature_does_not_cover() -> None:
    values = {"timestamp": "1578398112000", "windowSize": "1000"}
    text = "timestamp=1578398112000&windowSize=1000"
    with pytest.raises(Refusal, match="20001"):
        account(Parameters(values, text, DOCUMENT_SIGNATURE))


def test_the_documents_user_stream_signature_is_accepted() -> None:
    assert authenticator.stream_account(DOCUMENT_KEY, DOCUMENT_LOGIN, LOCAL) == "ann"


def test_any_other_user_stream_signature_is_refused() -> None:
    with pytest.raises(Refusal, match="20001"):
        authenticator.stream_account(DOCUMENT_KEY, DOCUMENT_LOGIN[:-1] + "3", LOCAL)


def test_every_key_of_an_account_signs_for_it() -> None:
    assert account(signed("bob-secret-2", timestamp=str(NOW)), key="bob-2") == "bob"


@pytest.mark.parametrize("key", [None, ""])
def test_a_request_without_a_key_needs_authorization(key: str | None) -> None:
    with pytest.raises(Refusal, match="20000"):
        account(signed(timestamp=str(NOW)), key=key)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Refusal, match="20001"):
        account(signed(timestamp=str(NOW)), key="nobody")


def test_the_secret_of_another_account_does_not_sign() -> None:
    with pytest.raises(Refusal, match="20001"):
        account(signed("bob-secret", timestamp=str(NOW)))


def test_a_signature_that_is_no_ascii_text_is_refused() -> None:
    with pytest.raises(Refusal, match="20001"):
        account(Parameters({"timestamp": str(NOW)}, f"timestamp={NOW}", "ü"))


@pytest.mark.parametrize("values", [{}, {"timestamp": ""}])
def test_a_timestamp_must_be_there(values: Mapping[str, str]) -> None:
    with pytest.raises(Refusal, match="20003"):
        account(signed(**values))


def test_a_signature_must_be_there() -> None:
    with pytest.raises(Refusal, match="20005"):
        account(Parameters({"timestamp": str(NOW)}, f"timestamp={NOW}"))


@pytest.mark.parametrize(("late", "window"), [(10_000, None), (5, "5"), (60_000, "60000")])
def test_a_request_is_valid_up_to_the_end_of_its_window(late: int, window: str | None) -> None:
    values = {"timestamp": str(NOW)} | ({"windowSize": window} if window else {})
    assert account(signed(**values), now=NOW + late) == "ann"
    with pytest.raises(Refusal, match="20004"):
        account(signed(**values), now=NOW + late + 1)


def test_a_timestamp_ahead_of_the_server_is_valid() -> None:
    assert account(signed(timestamp=str(NOW)), now=NOW - 3_600_000) == "ann"


@pytest.mark.parametrize("window", ["0", "-1", "1.5", "", "x"])
def test_a_window_must_be_a_positive_whole_number(window: str) -> None:
    with pytest.raises(Refusal, match="90001"):
        account(signed(timestamp=str(NOW), windowSize=window))


def test_a_timestamp_must_be_a_whole_number() -> None:
    with pytest.raises(Refusal, match="90001"):
        account(signed(timestamp="now"))


NETWORKS = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
BOUND = KeyPair("bound", "s", frozenset({Permission.READ}), NETWORKS)
ELSEWHERE = "192.0.2.1"


def ask(
    key: KeyPair = BOUND,
    *,
    client: str = LOCAL,
    permission: Permission = Permission.READ,
    owner: Account = ANN,
    values: Mapping[str, str] | None = None,
    now: int = NOW,
) -> str:
    """Ask as an owner whose only key this is; the signature is right."""
    owned = Authenticator([replace(owner, keys=(key,))])
    parameters = signed(key.api_secret, **(values or {"timestamp": str(NOW)}))
    return owned.request_account(key.api_key, parameters, now, client=client, permission=permission)


@pytest.mark.parametrize("client", ["127.0.0.1", "10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3"])
def test_a_key_bound_to_addresses_is_taken_from_them(client: str) -> None:
    assert ask(client=client) == "ann"


@pytest.mark.parametrize("client", [ELSEWHERE, "11.0.0.1", "2001:db9::7", "::1", "", "unix"])
def test_a_key_bound_to_addresses_is_refused_from_any_other(client: str) -> None:
    with pytest.raises(Refusal, match="20002"):
        ask(client=client)


def test_a_key_bound_to_no_address_is_taken_from_any() -> None:
    assert ask(replace(BOUND, addresses=()), client=ELSEWHERE) == "ann"


@pytest.mark.parametrize("permission", [Permission.TRADE, Permission.WITHDRAW])
def test_a_key_may_do_only_what_it_is_permitted(permission: Permission) -> None:
    with pytest.raises(Refusal, match="20011"):
        ask(permission=permission)
    assert ask(replace(BOUND, permissions=frozenset({permission})), permission=permission) == "ann"


def test_an_account_that_is_not_registered_may_do_nothing() -> None:
    with pytest.raises(Refusal, match="10010"):
        ask(owner=replace(ANN, registered=False))


def test_what_is_refused_first_is_the_signature_then_address_window_permission_account() -> None:
    stranger = replace(ANN, registered=False)
    with pytest.raises(Refusal, match="20002"):
        ask(BOUND, client=ELSEWHERE, now=NOW + 10_001)
    with pytest.raises(Refusal, match="20004"):
        ask(BOUND, now=NOW + 10_001, permission=Permission.TRADE)
    with pytest.raises(Refusal, match="20011"):
        ask(BOUND, permission=Permission.TRADE, owner=stranger)


def login(key: KeyPair, client: str, owner: Account = ANN) -> str:
    signature = hmac_hex(key.api_secret, key.api_key)
    return Authenticator([replace(owner, keys=(key,))]).stream_account(
        key.api_key, signature, client
    )


def test_a_stream_is_bound_by_a_key_that_may_read_from_its_addresses() -> None:
    assert login(BOUND, LOCAL) == "ann"


def test_a_stream_is_refused_from_another_address() -> None:
    with pytest.raises(Refusal, match="20002"):
        login(BOUND, ELSEWHERE)


def test_a_stream_is_refused_to_a_key_that_may_not_read() -> None:
    with pytest.raises(Refusal, match="20011"):
        login(replace(BOUND, permissions=frozenset({Permission.TRADE})), LOCAL)


def test_a_stream_is_refused_to_an_account_that_is_not_registered() -> None:
    with pytest.raises(Refusal, match="10010"):
        login(BOUND, LOCAL, replace(ANN, registered=False))
