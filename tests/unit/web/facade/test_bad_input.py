"""A corpus of bad input, and with what each piece of it is refused."""

from collections.abc import Callable

import pytest

from gateway.web.facade.parameters import Parameters
from gateway.web.facade.refusals import Refusal
from tests.unit.web.facade.carried import CARRIERS, FORM, JSON, Carried, json_body, refused

UNREADABLE = {
    "an escape of nothing": b"a=%",
    "half an escape": b"a=%4",
    "an escape of no digits": b"a=%zz",
    "an escape that JavaScript has": b"a=%u0041",
    "an escape in a name": b"%zz=a",
    "bytes that are no UTF-8": b"a=%ff",
    "half a character": b"a=%c3",
    "half a surrogate pair": b"a=%ed%a0%80",
    "zero, too long": b"a=%c0%80",
    "raw bytes that are no UTF-8": b"a=\xff",
    "a bad signature pair": b"a=1&signature=%ff",
    "far too many": b"a=1&" * 10_000,
    "a huge one": b"a=" + b"9" * 60_000,
}
UNREADABLE_JSON = {
    "a space": " ",
    "a number": "5",
    "null": "null",
    "an array": "[1]",
    "an array of pairs": '[["a", "b"]]',
    "a text": '"a=1"',
    "nothing closed": "{",
    "two objects": '{"a": 1} {"b": 2}',
    "a comma too many": '{"a": 1,}',
    "no quotes": "{a: 1}",
    "other quotes": "{'a': 1}",
    "a comment": '{"a": 1} // one',
    "a mark of the byte order": '\ufeff{"a": 1}',
    "a raw control character": '{"a": "\x00"}',
    "an object in it": '{"a": {"b": 1}}',
    "an empty object in it": '{"a": {}}',
    "an array in it": '{"a": [1]}',
    "an array as the signature": '{"signature": ["ab"]}',
    "no number": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "a numeral that JSON does not have": '{"a": 01}',
    "half a surrogate pair": r'{"a": "\ud800"}',
    "half a surrogate pair in a name": r'{"\ud800": "a"}',
    "half a surrogate pair as the signature": r'{"signature": "\udfff"}',
    "a numeral of 20000 digits": '{"a": ' + "9" * 20_000 + "}",
    "deep arrays": '{"a": ' + "[" * 30_000 + "]" * 30_000 + "}",
    "deep arrays, never closed": "[" * 60_000,
    "deep objects": '{"a": ' * 10_000 + "1" + "}" * 10_000,
}
READABLE = {
    "a zero byte": b"a=%00",
    "no name": b"=1",
    "no value": b"a",
    "many separators": b"a=1" + b"&" * 60_000,
    "a separator of old": b"a=1;b=2",
    "more than one equals sign": b"a==1=",
    "a name with brackets": b"a[]=1&a[0]=2",
}

NO_MONEY = {
    "zero": "0.000",
    "below zero": "-1",
    "a plus sign": "+1",
    "no number": "NaN",
    "infinity": "Infinity",
    "a huge exponent": "1E+999999999",
    "a small one of two digits": "1e-10",
    "too large by its exponent": "1e9000",
    "a million million": "1000000000000",
    "a million million, by an exponent": "100000000000e1",
    "more, by an exponent": "999999999999e1",
    "too many digits": "9" * 5_000,
    "too many decimals": "0." + "0" * 5_000 + "1",
    "a zero byte": "1\x00",
    "a new line": "1\n",
    "a space before": " 1",
    "a comma": "1,5",
    "an underscore": "1_000",
    "nothing before the point": ".5",
    "nothing after the point": "5.",
    "nothing after the exponent": "1e",
    "digits of another script": "١٢",
    "wide digits": "\uff11",
    "hexadecimal": "0x10",
    "words": "a lot",
    "a truth": "true",
    "more parameters": "1&apiKey=1",
}
NO_SYMBOL = {
    "small letters": "btcusdt",
    "one letter": "B",
    "too many": "B" * 21,
    "a slash": "BTC/USDT",
    "a space": "BTC USDT",
    "a zero byte": "BTC\x00",
    "a new line": "BTCUSDT\n",
    "another script": "\u0412TCUSDT",
    "a bomb": "\U0001f4a3\U0001f4a3",
    "a path": "../BTC",
}
NO_ORDER_ID = {
    "a space": " ",
    "a zero byte": "1\x00",
    "a new line": "1\n",
    "a path": "../../1",
    "more parameters": "1&symbol=BTCUSDT",
    "another script": "\u0661",
    "too long": "0" * 5_000,
}
NO_WHOLE_NUMBER = {
    "nothing": "",
    "a space": " ",
    "below zero": "-1",
    "a plus sign": "+1",
    "a fraction": "1.0",
    "an exponent": "1e3",
    "an underscore": "1_0",
    "too large": "9" * 19,
    "huge": "9" * 5_000,
    "digits of another script": "٣",
    "a zero byte": "1\x00",
    "a date": "2020-01-07",
    "words": "now",
}
NO_INTERVAL = {
    "nothing": "",
    "capitals": "M1",
    "another order": "1m",
    "one that is not offered": "m2",
    "a zero byte": "m1\x00",
    "huge": "m" * 5_000,
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("carrier", ["query", "form"])
def test_pairs_that_cannot_be_read_are_an_invalid_request(carrier: str, text: bytes) -> None:
    carried = Carried(query=text) if carrier == "query" else Carried(b"", FORM, text)
    assert refused(carried) == "90001"


@pytest.mark.parametrize("text", UNREADABLE_JSON.values(), ids=UNREADABLE_JSON.keys())
def test_a_json_body_that_is_no_flat_object_is_an_invalid_request(text: str) -> None:
    assert refused(json_body(text)) == "90001"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_json_in_another_encoding_is_an_invalid_request(encoding: str) -> None:
    assert refused(Carried(b"", JSON, '{"a": "ü"}'.encode(encoding))) == "90001"


def test_a_bad_body_counts_beside_a_good_query() -> None:
    assert refused(Carried(b"a=1", JSON, b"{")) == "90001"


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_odd_pairs_are_the_pairs_that_they_are(text: bytes) -> None:
    assert Carried(query=text).read().signed_text == text


def outcome(name: str, value: str, carrier: str, ask: Callable[[Parameters], object]) -> str:
    found = CARRIERS[carrier]([(name, value), ("colour", "red")]).read()
    with pytest.raises(Refusal) as refusal:
        ask(found)
    return refusal.value.code


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("text", NO_MONEY.values(), ids=NO_MONEY.keys())
def test_what_is_no_positive_number_is_refused_as_price_target_amount_or_total(
    carrier: str, text: str
) -> None:
    for name, code in (
        ("price", "20007"),
        ("target", "20008"),
        ("amount", "20009"),
        ("total", "20012"),
    ):
        assert outcome(name, text, carrier, lambda found: found.money(name, code)) == code  # noqa: B023  # called at once


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("text", NO_SYMBOL.values(), ids=NO_SYMBOL.keys())
def test_what_is_no_symbol_is_refused(carrier: str, text: str) -> None:
    assert outcome("symbol", text, carrier, Parameters.symbol) == "20006"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("text", NO_ORDER_ID.values(), ids=NO_ORDER_ID.keys())
def test_what_is_no_orders_id_is_the_id_of_no_order(carrier: str, text: str) -> None:
    assert outcome("orderId", text, carrier, Parameters.order_id) == "10075"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("text", NO_WHOLE_NUMBER.values(), ids=NO_WHOLE_NUMBER.keys())
def test_what_is_no_whole_number_is_an_invalid_request(carrier: str, text: str) -> None:
    asked = outcome("startDate", text, carrier, lambda found: found.integer("startDate"))
    assert asked == "90001"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("text", NO_INTERVAL.values(), ids=NO_INTERVAL.keys())
def test_what_is_no_interval_is_an_invalid_request(carrier: str, text: str) -> None:
    assert outcome("interval", text, carrier, Parameters.interval) == "90001"


NEEDED: dict[str, Callable[[Parameters], object]] = {
    "symbol": Parameters.symbol,
    "orderId": Parameters.order_id,
    "price": lambda found: found.money("price", "20007"),
    "node": lambda found: found.text("node"),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_missed_when_it_is_absent_empty_or_written_otherwise(
    carrier: str, name: str
) -> None:
    for sent in (name.upper() if name.islower() else name.lower(), f"{name}[]", f" {name}", name):
        assert outcome(sent, "" if sent == name else "1", carrier, NEEDED[name]) == "20005"
