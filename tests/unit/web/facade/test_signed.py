import pytest

from gateway.access.proving import Cause, NotProven
from gateway.web.facade.refusals import Refusal
from gateway.web.facade.signed import Claim, api_key_in, claim_in, require_open_window
from tests.unit.web.facade.carried import NOW, Carried, is_proven, parameters

KEY = "Y0AhbfGmVA8FG7kPN6a9PB7UOpwnlvKG4bI5Jc57awpKv4uKN9UX114EPRTcKuhX"
SIGNATURE = "c9445c8f619a64524d58378dbc40d9bfa5148de895cd8c7df8ae769630c5b67c"
DOCUMENTED = {"timestamp": str(NOW), "signature": SIGNATURE}


def code_of_claim(key: str | None, values: dict[str, str]) -> str:
    with pytest.raises(Refusal) as refusal:
        claim_in(key, parameters(values))
    return refusal.value.code


def code_of_window(values: dict[str, str], now: int = NOW) -> str:
    with pytest.raises(Refusal) as refusal:
        require_open_window(parameters(values), now)
    return refusal.value.code


def test_the_documents_signed_request_is_a_claim_that_holds() -> None:
    found = parameters(DOCUMENTED)
    assert claim_in(KEY, found) == Claim(KEY, b"timestamp=1578398112000", SIGNATURE)
    assert is_proven(found)


def test_the_documents_first_curl_sends_a_window_that_its_signature_does_not_cover() -> None:
    query = f"timestamp={NOW}&windowSize=1000&signature={SIGNATURE}".encode()
    assert not is_proven(Carried(query=query).read())


def test_what_is_missing_is_refused_in_the_exchanges_order() -> None:
    assert code_of_claim(None, {}) == "20000"
    assert code_of_claim("", {}) == "20000"
    assert code_of_claim(KEY, {}) == "20003"
    assert code_of_claim(KEY, {"timestamp": "", "signature": "x"}) == "20003"
    assert code_of_claim(KEY, {"timestamp": "later"}) == "20005"
    with pytest.raises(NotProven):
        claim_in(KEY, parameters({"timestamp": "later", "signature": "x"}))


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 63, "0" * 65, "G" * 64, SIGNATURE.upper(), f"{SIGNATURE}\n", "ü" * 64, "٣" * 64],
)
def test_what_is_not_64_hex_digits_in_small_letters_signs_nothing(signature: str) -> None:
    with pytest.raises(NotProven) as refused:
        claim_in(KEY, parameters({**DOCUMENTED, "signature": signature}))
    assert refused.value.cause is Cause.SIGNATURE


def test_nothing_of_a_claim_is_shown() -> None:
    assert repr(claim_in(KEY, parameters(DOCUMENTED))) == "Claim()"


@pytest.mark.parametrize("name", [b"x-apnk-apikey", b"X-APNK-APIKEY", b"X-Apnk-ApiKey"])
def test_the_header_of_the_key_may_be_written_in_any_case(name: bytes) -> None:
    assert api_key_in([(b"host", b"x"), (name, KEY.encode())]) == KEY


def test_without_the_header_there_is_no_key() -> None:
    assert api_key_in([(b"x-apnk-apikeys", b"x"), (b"apikey", b"x")]) is None


def test_a_key_of_any_bytes_is_some_text() -> None:
    assert api_key_in([(b"x-apnk-apikey", b"\xff\x00")]) == "ÿ\x00"


def test_two_keys_are_refused_even_if_they_are_the_same() -> None:
    with pytest.raises(Refusal, match="20005"):
        api_key_in([(b"x-apnk-apikey", b"a"), (b"X-APNK-APIKEY", b"a")])


@pytest.mark.parametrize(
    ("window", "span"), [({}, 10_000), ({"windowSize": "5"}, 5), ({"windowSize": "60000"}, 60_000)]
)
def test_a_request_is_good_from_its_time_until_its_window_ends(
    window: dict[str, str], span: int
) -> None:
    values = {"timestamp": str(NOW), **window}
    require_open_window(parameters(values), NOW)
    require_open_window(parameters(values), NOW + span)
    assert code_of_window(values, NOW + span + 1) == "20004"


def test_a_clock_may_be_a_second_ahead_but_no_more() -> None:
    values = {"timestamp": str(NOW), "windowSize": "5"}
    require_open_window(parameters(values), NOW - 1_000)
    assert code_of_window(values, NOW - 1_001) == "20004"


@pytest.mark.parametrize("window", ["60001", "9" * 18])
def test_a_window_longer_than_a_minute_is_refused(window: str) -> None:
    assert code_of_window({"timestamp": str(NOW), "windowSize": window}) == "20004"


NO_NUMBERS = ["-1", "+1", "1.0", "1e3", " 1", "1_0", "x", "٣", "9" * 19, "0x1", "1\x00", "NaN"]


@pytest.mark.parametrize("window", ["", "0", "00", *NO_NUMBERS])
def test_a_window_is_a_whole_number_above_zero(window: str) -> None:
    assert code_of_window({"timestamp": str(NOW), "windowSize": window}) == "90001"


@pytest.mark.parametrize("timestamp", NO_NUMBERS)
def test_a_timestamp_is_a_whole_number(timestamp: str) -> None:
    assert code_of_window({"timestamp": timestamp}) == "90001"


def test_a_timestamp_in_seconds_is_long_past() -> None:
    assert code_of_window({"timestamp": str(NOW // 1000)}) == "20004"
