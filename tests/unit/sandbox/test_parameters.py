import json
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.parameters import Parameters, RawRequest, read_parameters


def read(query: str = "", content_type: str = "", body: bytes = b"") -> Parameters:
    return read_parameters(RawRequest("POST", "x", None, query, content_type, body, "127.0.0.1"))


def read_json(body: str) -> Parameters:
    return read(content_type="application/json", body=body.encode())


def test_the_signed_text_is_the_query_as_sent_without_the_signature() -> None:
    parameters = read("b=%2b+x&signature=abc&a=1.10&b2=%7E")
    assert parameters.signed_text == "b=%2b+x&a=1.10&b2=%7E"
    assert parameters.signature == "abc"
    assert parameters.values == {"b": "+ x", "a": "1.10", "b2": "~"}


def test_a_form_body_is_read_like_a_query() -> None:
    body = b"price=1e-7&timestamp=5&signature=ff"
    parameters = read(content_type="application/x-www-form-urlencoded", body=body)
    assert parameters.signed_text == "price=1e-7&timestamp=5"
    assert parameters.values == {"price": "1e-7", "timestamp": "5"}


def test_the_signed_text_of_a_json_body_is_its_pairs_in_order_with_numbers_as_written() -> None:
    parameters = read_json(
        '{"symbol": "BTC TRY", "price": 1.10, "amount":1e-05, "timestamp": 7, "signature": "ab"}'
    )
    assert parameters.signed_text == "symbol=BTC+TRY&price=1.10&amount=1e-05&timestamp=7"
    assert parameters.signature == "ab"
    assert parameters.values["price"] == "1.10"


def test_escapes_in_a_json_string_are_read() -> None:
    assert read_json(r'{"a": "\u00fc\n"}').values == {"a": "ü\n"}


def test_a_signed_body_counts_beside_an_unsigned_query() -> None:
    form = "application/x-www-form-urlencoded"
    assert read("x=1", form, b"a=2&signature=s").values == {"a": "2"}


def test_a_signed_query_counts_beside_a_body() -> None:
    assert read("x=1&signature=s", "application/json", b'{"a": 2}').values == {"x": "1"}


def test_of_two_signed_places_the_query_counts() -> None:
    body = b'{"a": 2, "signature": "t"}'
    assert read("x=1&signature=s", "application/json", body).signature == "s"


def test_a_json_body_that_is_nested_too_deep_is_an_invalid_request() -> None:
    with pytest.raises(Refusal, match="90001"):
        read_json('{"a": ' + "[" * 30_000 + "]" * 30_000 + "}")


def test_a_scalar_of_a_json_body_is_its_text() -> None:
    body = r'{"a": true, "b": false, "c": null, "d": -1, "e": "=&+", "f": ""}'
    values = {"a": "true", "b": "false", "c": "null", "d": "-1", "e": "=&+", "f": ""}
    assert read_json(body).values == values


@pytest.mark.parametrize(
    "body",
    [
        " ",
        "5",
        "null",
        "[1]",
        "[]",
        '[["a", "b"]]',
        "{",
        "{} {}",
        '"text"',
        '"ab"',
        '{"a": {"b": 1}}',
        '{"a": {}}',
        '{"a": [1]}',
        '{"signature": {}}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        r'{"a": "\ud800"}',
        r'{"\ud800": "a"}',
        r'{"signature": "\ud800"}',
    ],
)
def test_a_json_body_that_is_no_flat_object_is_an_invalid_request(body: str) -> None:
    with pytest.raises(Refusal, match="90001"):
        read_json(body)


def test_a_body_that_is_no_text_is_an_invalid_request() -> None:
    with pytest.raises(Refusal, match="90001"):
        read(content_type="application/x-www-form-urlencoded", body=b"\xff=1")


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def carried(pairs: list[tuple[str, str]]) -> list[tuple[str, str, bytes]]:
    """The pairs in each of the places where they may stand."""
    text = urlencode(pairs)
    members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return [(text, "", b""), ("", FORM, text.encode()), ("", JSON, f"{{{members}}}".encode())]


@pytest.mark.parametrize(
    "place",
    [
        *carried([("amount", "0.001"), ("amount", "0.002")]),
        *carried([("a", "1"), ("a", "1")]),
        *carried([("signature", "a"), ("signature", "b")]),
        ("a=%ff", "", b""),
    ],
)
def test_what_can_be_read_in_two_ways_is_an_invalid_request(place: tuple[str, str, bytes]) -> None:
    with pytest.raises(Refusal, match="90001"):
        read(*place)


@pytest.mark.parametrize("carrier", range(3), ids=["query", "form", "json"])
def test_a_request_has_at_most_50_parameters(carrier: int) -> None:
    pairs = [(f"p{number}", "1") for number in range(51)]
    assert len(read(*carried(pairs[:50])[carrier]).values) == 50
    with pytest.raises(Refusal, match="90001"):
        read(*carried(pairs)[carrier])


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.0000001", "0.0000001"), ("1e-7", "0.0000001"), ("9.4E+1", "94"), ("007", "7")],
)
def test_money_is_the_decimal_that_was_written(text: str, value: str) -> None:
    parameters = Parameters({"price": text})
    assert parameters.money("price", Code.INVALID_PRICE) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["0", "0.00", "-1", "+1", "NaN", "Infinity", "1e99", "1_000", " 1", "1,5", ".5", "٣", "true"],
)
def test_money_that_is_no_positive_plain_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="20007"):
        Parameters({"price": text}).money("price", Code.INVALID_PRICE)


@pytest.mark.parametrize("values", [{}, {"symbol": ""}])
def test_a_parameter_that_must_be_there_is_missed(values: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="20005"):
        Parameters(values).text("symbol")


@pytest.mark.parametrize("text", ["", "1.0", "-1", "1e3", "x", "9" * 19])
def test_what_is_no_whole_number_is_an_invalid_request(text: str) -> None:
    with pytest.raises(Refusal, match="90001"):
        Parameters({"startDate": text}).integer("startDate")
