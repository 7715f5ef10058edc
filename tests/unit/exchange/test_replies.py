import json

import pytest

from gateway.domain.errors import Refused, Unclear
from gateway.exchange.error_codes import ERROR_CODES, UNCLEAR_CODES
from gateway.exchange.replies import require_success
from gateway.exchange.transport import Reply

REFUSALS = sorted(ERROR_CODES.keys() - UNCLEAR_CODES)


def answer(body: str, status: int = 200) -> None:
    require_success("limit-buy", Reply(status, body.encode()))


@pytest.mark.parametrize("body", ['{"code":"00000"}', '{"code":0}'], ids=["text", "number"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_success_is_the_code_whatever_the_status(body: str, status: int) -> None:
    answer(body, status)


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_documented_code_is_a_refusal_whatever_the_status(code: str, status: int) -> None:
    row = ERROR_CODES[code]
    for written in (code, int(code)):
        with pytest.raises(Refused) as refusal:
            answer(json.dumps({"code": written, "msg": "any"}), status)
        error = refusal.value
        assert (error.endpoint, error.exchange_code, error.name) == ("limit-buy", code, row.name)
        assert (error.meaning, error.advice, error.retry) == (
            row.meaning,
            row.advice,
            row.retryable,
        )


@pytest.mark.parametrize(
    ("body", "status", "cause", "code"),
    [
        pytest.param('{"code":"90000"}', 200, "unexpected_error", "90000", id="90000"),
        pytest.param('{"code":90001}', 200, "invalid_request", "90001", id="90001"),
        pytest.param('{"code":"10099"}', 200, "unlisted", "10099", id="unlisted"),
        pytest.param('{"code":"E42"}', 200, "unlisted", "E42", id="no number"),
        pytest.param('{"code":"%s"}' % ("9" * 999), 200, "unlisted", "9" * 16, id="endless"),
        pytest.param('{"code":null}', 200, "unparsable", None, id="null"),
        pytest.param('{"code":0.0}', 200, "unparsable", None, id="fraction"),
        pytest.param('{"code":1e-400}', 200, "unparsable", None, id="nearly zero"),
        pytest.param('{"code":0e5}', 200, "unparsable", None, id="exponent"),
        pytest.param('{"code":"10031","code":"00000"}', 200, "unparsable", None, id="two codes"),
        pytest.param('{"data":1}', 200, "unparsable", None, id="no code"),
        pytest.param("<html>", 200, "unparsable", None, id="HTML"),
        pytest.param("", 200, "unparsable", None, id="empty"),
        pytest.param('{"code":"00000"', 200, "unparsable", None, id="truncated"),
        pytest.param("[" * 100_000, 200, "unparsable", None, id="deeply nested"),
        pytest.param("<html>", 502, "server_error", None, id="HTML 502"),
        pytest.param("slow down", 429, "too_many_requests", None, id="429"),
        pytest.param("", 302, "unparsable", None, id="redirect"),
    ],
)
def test_anything_else_proves_nothing(body: str, status: int, cause: str, code: str) -> None:
    with pytest.raises(Unclear) as unclear:
        answer(body, status)
    error = unclear.value
    assert (error.endpoint, error.cause, error.exchange_code) == ("limit-buy", cause, code)
