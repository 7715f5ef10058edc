"""What is shown without a token, and to a token without any grant."""

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.functional.callers import Caller
from tests.functional.ordering import accepted
from tests.functional.service import PEOPLE, Service

WHO = "{ viewer { principal } }"
PUBLIC = ("/metrics", "/readyz", "/startupz", "/healthz")


def test_what_anybody_may_see_names_no_caller_and_no_secret(
    service: Service, trader: Caller
) -> None:
    for member in PEOPLE:
        service.caller(member.name).post(WHO)
    accepted(trader, "seen-by-anybody")
    shown = "".join(service.http.get(path).text for path in PUBLIC)
    for member in PEOPLE:
        assert not re.search(rf"""["']{member.name}["']""", shown)
        assert member.token not in shown
    for account in service.accounts:
        for keys in account.keys:
            assert keys.api_key not in shown
            assert keys.api_secret not in shown


LABELS = {
    "account",
    "action",
    "cause",
    "code",
    "ending",
    "endpoint",
    "event",
    "feed",
    "field",
    "kept",
    "kind",
    "layer",
    "le",
    "level",
    "limit",
    "loop",
    "operation",
    "outcome",
    "part",
    "purpose",
    "reason",
    "script",
    "state",
    "topic",
}
"""Of these, only `account` has values of the policy; the others have closed sets of values."""


def test_of_a_policy_the_metrics_name_accounts_alone(service: Service, trader: Caller) -> None:
    accepted(trader, "seen-by-anybody")
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    assert {label for sample in samples for label in sample.labels} <= LABELS
    accounts = {sample.labels.get("account", "demo") for sample in samples}
    assert accounts <= {account.account_id for account in service.accounts}


def test_the_schema_is_shown_to_whoever_has_a_token_and_to_nobody_else(service: Service) -> None:
    asked = "{ __schema { mutationType { fields { name } } } }"
    shown = service.caller("stranger").answer(asked)["__schema"]["mutationType"]["fields"]
    assert {"name": "placeOrder"} in shown
    assert Caller(service.http, None).post(asked).status_code == 401
