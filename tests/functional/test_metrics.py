"""What the metrics say of a gateway at work, and that no caller can write into them."""

import re
from pathlib import Path

import yaml
from graphql import build_schema
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.promql import counted_in
from tests.functional.callers import Caller, open_socket
from tests.functional.conftest import FreshService
from tests.functional.exchange import Exchange
from tests.functional.ordering import accepted, place
from tests.functional.service import Service
from tests.processes import eventually

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "helm" / "narkasa-gateway" / "files" / "alerts.yaml"
SCHEMA = build_schema((ROOT / "graphql" / "schema.graphql").read_text())


def values_of(service: Service, label: str) -> set[str]:
    """What a label was seen with, in all metrics."""
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    return {
        sample.labels[label]
        for family in families
        for sample in family.samples
        if label in sample.labels
    }


def test_requests_are_counted_and_timed_by_their_first_field(
    service: Service, trader: Caller
) -> None:
    labels = {"operation": "query", "field": "viewer"}
    before = service.metric("gateway_graphql_requests_total", **labels, code="OK")
    trader.answer("{ viewer { limits { name } } }")
    assert service.metric("gateway_graphql_requests_total", **labels, code="OK") == before + 1
    assert service.metric("gateway_graphql_seconds_count", **labels) >= 1


def test_no_caller_writes_into_a_label(service: Service, trader: Caller) -> None:
    word = "Nobody_Has_This_Word"
    trader.post(f"query {word} {{ {word}: viewer {{ limits {{ name }} }} }}")
    trader.post(f'{{ market(symbol: "{word}") {{ symbol }} }}')
    trader.post(f'{{ account(id: "{word}") {{ balances {{ asset }} }} }}')
    trader.post(f"{{ {word} }}")
    service.http.get(f"/v3/api/{word}")
    service.http.post("/v3/api/market/limit-buy", params={"symbol": word})
    assert word not in service.http.get("/metrics").text
    assert SCHEMA.query_type is not None
    fields = {
        field
        for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
        if root is not None
        for field in root.fields
    }
    assert values_of(service, "field") <= fields | {"none", "__schema", "__type", "__typename"}


def test_what_alerts_see_rise_is_told_from_the_start_at_zero(fresh_service: FreshService) -> None:
    families = text_string_to_metric_families(fresh_service().http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    selectors = {selector for each in expressions for selector in counted_in(each)}
    assert len(selectors) > 10
    for selector in selectors:
        found = [each for each in samples if selector.selects(each.name, each.labels)]
        assert found, selector
        assert not any(each.value for each in found), selector
        for label, value in selector.named():
            assert any(each.labels[label] == value for each in found), (selector, value)


def test_what_runs_all_the_time_is_told_of_before_it_fails(service: Service) -> None:
    assert values_of(service, "loop") >= {
        "audit",
        "feed",
        "journal",
        "keys",
        "policy",
        "resolver",
        "switches",
    }


def test_requests_add_no_series_to_those_that_alerts_see_rise(
    service: Service, trader: Caller
) -> None:
    before = values_of(service, "endpoint")
    service.http.get("/v3/api/market/markets")
    service.http.post("/v3/api/market/limit-buy")
    assert values_of(service, "endpoint") - before <= {"none"}
    assert "_created" not in service.http.get("/metrics").text


def test_a_denial_is_counted_by_its_action_and_code(service: Service) -> None:
    labels = {"action": "orders:place", "code": "FORBIDDEN"}
    before = service.metric("gateway_denials_total", **labels)
    assert place(service.caller("auditor"), "metrics-2")["code"] == "FORBIDDEN"
    assert service.metric("gateway_denials_total", **labels) == before + 1


def test_the_journal_s_scripts_and_the_exchange_s_answers_are_timed(
    service: Service, trader: Caller, exchange: Exchange
) -> None:
    scripts = ("look", "begin", "change")
    before = [service.metric("gateway_journal_seconds_count", script=each) for each in scripts]
    calls = service.metric("gateway_upstream_seconds_count", endpoint="limit-buy")
    accepted(trader, "metrics-1")
    after = [service.metric("gateway_journal_seconds_count", script=each) for each in scripts]
    assert all(now > then for now, then in zip(after, before, strict=True))
    assert service.metric("gateway_upstream_seconds_count", endpoint="limit-buy") == calls + 1


def test_each_account_s_stream_is_told_of(service: Service) -> None:
    assert eventually(lambda: service.metric("gateway_account_connected", account="demo") == 1)
    assert service.metric("gateway_accounts") == 2
    assert values_of(service, "account") == {"demo", "vault"}


def test_what_alerts_ask_of_a_part_is_a_part_that_readyz_has(service: Service) -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    asked = {part for each in expressions for part in re.findall(r'part="([^"]+)"', each)}
    assert asked
    assert asked <= values_of(service, "part")


def test_the_way_from_the_exchange_s_event_to_our_send_is_timed(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    told = service.metric("gateway_delivery_seconds_count", field="tickers")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe('subscription { tickers(symbols: ["1INCHTRY"]) { last } }', "a")
        opened.subscribe('subscription { trades(symbol: "1INCHTRY") { __typename } }', "b")
        opened.next("a")
        assert eventually(lambda: {"type": "trade", "symbol": "1INCHTRY"} in exchange.topics())
        exchange.trade("1INCHTRY", "31.9", "100")
        assert eventually(
            lambda: service.metric("gateway_delivery_seconds_count", field="tickers") > told
        )
        assert eventually(lambda: service.metric("gateway_feed_lag_seconds_count") > 0)
