import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.audit import AuditKind
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.metrics import Metrics
from gateway.services.authority import Authority
from tests.unit.services.desks import CALLER, OTHER, OTHER_CALLER
from tests.unit.services.examples import APP, policy
from tests.unit.services.governing import StandInAudit, authority_of

READER = policy(Action.ACCOUNT_READ)


def made(granted: Policy = READER) -> Authority:
    return authority_of(lambda: granted, StandInAudit())


def test_an_account_is_visible_when_it_is_granted_and_there_is_a_key_for_it() -> None:
    assert made().visible(APP) == ("demo",)
    assert made().visible(OTHER) == ()
    assert made(policy(Action.ACCOUNT_READ, account="other")).visible(APP) == ()


def test_what_is_required_names_the_grant_or_is_refused_without_a_hint() -> None:
    authority = made()
    assert authority.require(CALLER, Action.ACCOUNT_READ, "demo").rule == "trade"
    with pytest.raises(Forbidden):
        authority.require(CALLER, Action.ORDERS_PLACE, "demo")
    for who, account in ((OTHER_CALLER, "demo"), (CALLER, "other"), (CALLER, "nowhere")):
        with pytest.raises(UnknownAccount):
            authority.require(who, Action.ACCOUNT_READ, account)


def test_what_only_a_candidate_would_deny_is_allowed_and_on_record() -> None:
    audit, metrics = StandInAudit(), Metrics()
    candidate = policy(Action.MARKET_READ)
    authority = authority_of(lambda: READER, audit, metrics, candidate=lambda: candidate)
    assert authority.require(CALLER, Action.ACCOUNT_READ, "demo").allowed
    (event,) = audit.events
    assert (event.kind, event.outcome, event.rule) == (
        AuditKind.WOULD_DENY, "ALLOWED", "default-deny",
    )  # fmt: skip
    labels = {"action": "account:read"}
    assert metrics.registry.get_sample_value("gateway_would_deny_total", labels) == 1


def test_what_is_denied_already_is_not_tried_on_a_candidate() -> None:
    audit = StandInAudit()
    authority = authority_of(lambda: READER, audit, candidate=policy)
    with pytest.raises(Forbidden):
        authority.require(CALLER, Action.ORDERS_PLACE, "demo")
    assert audit.events == []
