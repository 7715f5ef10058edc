from decimal import Decimal

from gateway.web.facade.answers import encode, success


def test_a_reply_begins_with_its_code_as_text() -> None:
    assert success({"data": "PONG"}).body == b'{"code":"00000","data":"PONG"}'
    assert encode("20001", {"msg": "no"}) == b'{"code":"20001","msg":"no"}'


def test_a_decimal_is_a_number_with_all_of_its_digits() -> None:
    body = encode("00000", {"price": Decimal("0.12345678901234567890123456789")})
    assert body == b'{"code":"00000","price":0.12345678901234567890123456789}'


def test_an_answer_has_no_headers_but_those_that_it_is_given() -> None:
    assert success({}).headers == {}
    assert success({}, {"x-gateway-stale": "true"}).headers == {"x-gateway-stale": "true"}
