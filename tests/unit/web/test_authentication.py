import pytest

from gateway.access.proving import Cause
from gateway.domain.audit import AuditKind
from gateway.domain.errors import Unauthenticated
from gateway.metrics import Metrics
from gateway.web.authentication import bearer_token, no_token, note_refusal, token_of_init
from tests.unit.services.governing import StandInAudit


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


def test_an_attempt_that_proves_nothing_is_counted_and_on_record() -> None:
    audit, metrics = StandInAudit(), Metrics()
    note_refusal(no_token(), audit.trail, metrics, "a" * 32)
    (event,) = audit.events
    assert (event.kind, event.principal, event.outcome) == (
        AuditKind.DENIED, "unauthenticated", "UNAUTHENTICATED",
    )  # fmt: skip
    assert (event.trace_id, event.detail) == ("a" * 32, {"cause": Cause.NO_TOKEN.value})
    counted = metrics.registry.get_sample_value
    assert counted("gateway_unauthenticated_total", {"cause": Cause.NO_TOKEN.value}) == 1
