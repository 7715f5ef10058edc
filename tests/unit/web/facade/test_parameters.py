from decimal import Decimal

import pytest

from gateway.domain.market import CandleInterval
from gateway.web.facade.parameters import LONGEST_PAIR, Parameters
from gateway.web.facade.refusals import Refusal
from tests.unit.web.facade.carried import (
    CARRIERS,
    FORM,
    JSON,
    Carried,
    json_body,
    parameters,
    refused,
)


def test_the_signed_text_of_a_query_is_what_was_sent_without_the_signature() -> None:
    read = Carried(query=b"b=%2b+x&signature=abc&a=1.10&&b2=%7E&").read()
    assert read.signed_text == b"b=%2b+x&a=1.10&&b2=%7E&"
    assert read.signature == "abc"
    assert read.values == {"b": "+ x", "a": "1.10", "b2": "~"}


def test_a_form_is_read_like_a_query() -> None:
    read = Carried(b"", FORM, b"price=1e-7&timestamp=5&signature=ff").read()
    assert read == Parameters({"price": "1e-7", "timestamp": "5"}, b"price=1e-7&timestamp=5", "ff")


def test_the_signed_text_of_a_json_body_is_its_pairs_in_order_with_numerals_as_written() -> None:
    read = json_body(
        r'{"b": "B T/C*~\u00fc", "price": 1.10, "signature": "ab", "amount":1e-05, "a": 7}'
    ).read()
    assert read.signed_text == b"b=B+T%2FC%2A~%C3%BC&price=1.10&amount=1e-05&a=7"
    assert read.signature == "ab"
    assert list(read.values) == ["b", "price", "amount", "a"]
    assert read.values["price"] == "1.10"


def test_any_scalar_of_a_json_body_is_the_text_that_it_is() -> None:
    read = json_body(r'{"a": true, "b": false, "c": null, "d": -0, "e": "=&+%41", "f": ""}').read()
    assert read.values == {
        "a": "true",
        "b": "false",
        "c": "null",
        "d": "-0",
        "e": "=&+%41",
        "f": "",
    }


def test_a_name_may_be_written_in_escapes_but_it_is_the_name_that_it_is() -> None:
    read = Carried(query=b"%73ignature=ab&%61=1").read()
    assert (read.values, read.signature, read.signed_text) == ({"a": "1"}, "ab", b"%61=1")
    assert refused(Carried(query=b"a=1&%61=1")) == "20005"


@pytest.mark.parametrize("kind", [JSON, "Application/JSON; charset=utf-8", " application/json ;"])
def test_a_content_type_may_have_capitals_spaces_and_a_charset(kind: str) -> None:
    assert Carried(content_type=kind, body=b'{"a": 1}').read().values == {"a": "1"}


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "application/jsonx"])
def test_a_body_of_another_kind_carries_no_parameters(kind: str) -> None:
    assert Carried(b"a=1", kind, b'{"b": 2}').read().values == {"a": "1"}


@pytest.mark.parametrize("body", [Carried(content_type=FORM), json_body(""), json_body("{}")])
def test_a_body_without_parameters_stands_beside_a_query(body: Carried) -> None:
    assert Carried(b"a=1", body.content_type, body.body).read().values == {"a": "1"}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (b"a=1&signature=s", b"a=1"),
        (b"a=1&signature=s", b"b=2"),
        (b"a=1", b"b=2&signature=s"),
        (b"a=1&signature=s", b"b=2&signature=s"),
        (b"a=1", b"b=2"),
        (b"signature=s", b"b=2"),
        (b"a=1", b"signature=s"),
    ],
)
def test_parameters_in_query_and_body_are_refused_for_one_of_them_would_count_for_nothing(
    query: bytes, body: bytes
) -> None:
    assert refused(Carried(query, FORM, body)) == "20005"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "pairs",
    [
        [("amount", "0.001"), ("price", "1"), ("amount", "0.002")],
        [("a", "1"), ("a", "1")],
        [("signature", "a"), ("signature", "b")],
        [("", ""), ("", "")],
    ],
)
def test_a_parameter_that_stands_there_twice_is_refused(
    carrier: str, pairs: list[tuple[str, str]]
) -> None:
    assert refused(CARRIERS[carrier](pairs)) == "20005"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_request_has_at_most_50_parameters(carrier: str) -> None:
    pairs = [(f"p{number}", "1") for number in range(51)]
    assert len(CARRIERS[carrier](pairs[:50]).read().values) == 50
    assert refused(CARRIERS[carrier](pairs)) == "90001"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_parameter_has_a_bounded_length(carrier: str) -> None:
    longest = LONGEST_PAIR - len("a=")
    assert len(CARRIERS[carrier]([("a", "9" * longest)]).read().values["a"]) == longest
    assert refused(CARRIERS[carrier]([("a", "9" * (longest + 1))])) == "90001"
    assert refused(CARRIERS[carrier]([("a" * LONGEST_PAIR, "")])) == "90001"


def test_a_parameter_reads_as_what_it_must_be() -> None:
    read = parameters(
        {"symbol": "1INCHTRY", "orderId": "0a" * 36, "startDate": "007", "interval": "h4"}
    )
    assert read.symbol() == "1INCHTRY"
    assert read.order_id() == "0a" * 36
    assert read.integer("startDate") == 7
    assert read.interval() is CandleInterval.H4


def test_what_is_optional_may_be_left_out() -> None:
    assert Parameters({}).integer("startDate") is None
    assert Parameters({}).interval() is CandleInterval.M1


@pytest.mark.parametrize("interval", CandleInterval)
def test_every_interval_is_called_as_the_document_calls_it(interval: CandleInterval) -> None:
    assert parameters({"interval": interval.value.lower()}).interval() is interval


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.0000001", "0.0000001"),
        ("1e-7", "0.0000001"),
        ("9.4E+1", "94"),
        ("007.10", "7.10"),
        ("123456789012.123456789012", "123456789012.123456789012"),
    ],
)
def test_money_is_the_decimal_that_was_written(text: str, value: str) -> None:
    assert parameters({"price": text}).money("price", "20007") == Decimal(value)


def test_a_refusal_has_the_exchanges_own_text() -> None:
    with pytest.raises(Refusal) as refusal:
        parameters({"price": "0"}).money("price", "20007")
    assert (refusal.value.code, refusal.value.msg, refusal.value.status) == (
        "20007",
        "Price must be float and higher than 0",
        200,
    )


def test_neither_signature_nor_signed_text_is_shown() -> None:
    shown = repr(Carried(query=b"a=1&b=hidden%21&signature=secret").read())
    assert "secret" not in shown
    assert "%21" not in shown
