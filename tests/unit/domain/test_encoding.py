import pytest

from gateway.domain.encoding import encode, encode_form


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("BTCUSDT", "BTCUSDT", id="plain"),
        pytest.param("0.0000001", "0.0000001", id="decimal"),
        pytest.param("a b+c", "a%20b%2Bc", id="space and plus"),
        pytest.param("a&b=c;d#e%f", "a%26b%3Dc%3Bd%23e%25f", id="separators"),
        pytest.param("Türk", "T%C3%BCrk", id="not ASCII"),
    ],
)
def test_a_value_is_escaped_so_that_it_separates_nothing(value: str, text: str) -> None:
    assert encode([("name", value)]) == f"name={text}"


def test_what_a_json_body_carries_is_signed_as_a_form_writes_it() -> None:
    text = encode_form([("node", "XRP Ledger"), ("address", "a:b+c!~*'()")])
    assert text == "node=XRP+Ledger&address=a%3Ab%2Bc%21~%2A%27%28%29"


def test_pairs_keep_their_order() -> None:
    assert encode([("b", "2"), ("a", "1")]) == "b=2&a=1"
