import json

import pytest

from gateway.sandbox.faults import Fault, Outcome
from gateway.sandbox.faulty_replies import Reply, coded, faulty_reply

HTML = "text/html"


@pytest.mark.parametrize("outcome", [Outcome.CODE_BEFORE, Outcome.CODE_AFTER])
def test_a_code_comes_with_its_text_and_is_90000_by_default(outcome: Outcome) -> None:
    by_default = faulty_reply(Fault(outcome=outcome))
    assert by_default == coded("90000")
    reply = faulty_reply(Fault(outcome=outcome, code="10041"))
    assert reply is not None
    assert json.loads(reply.body) == {"code": "10041", "msg": "Wash trading cancelled"}
    assert (reply.status, reply.code) == (200, "10041")


def test_a_code_that_no_table_has_comes_without_a_text() -> None:
    assert json.loads(coded("12345").body) == {"code": "12345"}


def test_an_order_that_is_executed_late_is_answered_by_a_code_or_not_at_all() -> None:
    assert faulty_reply(Fault(outcome=Outcome.EXECUTE_LATE)) is None
    assert faulty_reply(Fault(outcome=Outcome.EXECUTE_LATE, code="90000")) == coded("90000")


@pytest.mark.parametrize(
    ("fault", "status", "media_type"),
    [
        (Fault(outcome=Outcome.HTML_502), 502, HTML),
        (Fault(outcome=Outcome.TOO_MANY_REQUESTS), 429, HTML),
        (Fault(outcome=Outcome.TOO_MANY_REQUESTS, media_type="application/json"), 429, None),
    ],
)
def test_an_outage_is_html_and_too_many_requests_may_be_json(
    fault: Fault, status: int, media_type: str | None
) -> None:
    reply = faulty_reply(fault)
    assert reply is not None
    assert reply.status == status
    if media_type is None:
        assert reply == coded("90000", status=429)
    else:
        assert (reply.media_type, reply.code) == (media_type, None)
        assert str(status).encode() in reply.body


def test_a_reply_is_what_is_asked_for_with_its_filler() -> None:
    fault = Fault(outcome=Outcome.REPLY, status=201, body='{"a": "<filler>"}', filler=3)
    assert faulty_reply(fault) == Reply(201, "application/json", b'{"a": "xxx"}')
    assert faulty_reply(Fault(outcome=Outcome.REPLY)) == Reply(200, "application/json", b"")


@pytest.mark.parametrize("outcome", [Outcome.DROP_BEFORE, Outcome.DROP_AFTER])
def test_a_dropped_request_gets_no_reply(outcome: Outcome) -> None:
    assert faulty_reply(Fault(outcome=outcome)) is None
