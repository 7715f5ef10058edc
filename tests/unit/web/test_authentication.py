import pytest

from gateway.domain.errors import Unauthenticated
from gateway.web.authentication import bearer_token, token_of_init


@pytest.mark.parametrize("text", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_a_bearer_token_is_read_whatever_the_case_of_its_scheme(text: str) -> None:
    assert bearer_token(text) == "abc"


@pytest.mark.parametrize(
    "value",
    [None, "", "abc", "Bearer", "Bearer ", "Basic abc", 7, ["Bearer abc"], "Bearer " + "a" * 9000],
    ids=range(9),
)
def test_anything_else_is_no_token(value: object) -> None:
    with pytest.raises(Unauthenticated):
        bearer_token(value)


@pytest.mark.parametrize(
    "payload", [{"Authorization": "Bearer abc"}, {"authorization": "Bearer abc"}]
)
def test_the_payload_of_connection_init_goes_before_the_header(payload: object) -> None:
    assert token_of_init(payload, "Bearer other") == "abc"


@pytest.mark.parametrize("payload", [None, {}, [], "Bearer abc", 7, {"token": "abc"}])
def test_without_one_in_the_payload_the_token_is_the_header_s(payload: object) -> None:
    assert token_of_init(payload, "Bearer abc") == "abc"
    with pytest.raises(Unauthenticated):
        token_of_init(payload, None)


def test_a_bad_token_in_the_payload_is_not_saved_by_the_header() -> None:
    with pytest.raises(Unauthenticated):
        token_of_init({"Authorization": None}, "Bearer abc")
