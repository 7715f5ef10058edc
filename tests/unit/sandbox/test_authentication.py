from collections.abc import Mapping

import pytest

from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.codes import Refusal
from gateway.sandbox.parameters import Parameters
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

authenticator = Authenticator([ANN, BOB])


def signed(secret: str = DOCUMENT_SECRET, **values: str) -> Parameters:
    text = "&".join(f"{name}={value}" for name, value in values.items())
    return Parameters(values, text, hmac_hex(secret, text))


def account(parameters: Parameters, key: str | None = DOCUMENT_KEY, now: int = NOW) -> str:
    return authenticator.request_account(key, parameters, now)


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
    assert authenticator.stream_account(DOCUMENT_KEY, DOCUMENT_LOGIN) == "ann"


def test_any_other_user_stream_signature_is_refused() -> None:
    with pytest.raises(Refusal, match="20001"):
        authenticator.stream_account(DOCUMENT_KEY, DOCUMENT_LOGIN[:-1] + "3")


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
