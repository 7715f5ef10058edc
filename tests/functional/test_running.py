"""A gateway as those see it who run it: health, metrics, logs, faults of configuration, its end."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli.operations import operation
from tests.functional.callers import Caller, open_socket
from tests.functional.conftest import FreshService, running_service
from tests.functional.exchange import COUNTERPARTY, DEMO, OUTSIDER, QUIET
from tests.functional.ordering import PLACE, accepted, command
from tests.functional.service import Service
from tests.processes import eventually

NEEDED = {"event", "level", "timestamp", "logger"}
METRICS = {
    "gateway_account_unread",
    "gateway_account_led",
    "gateway_accounts_quarantined",
    "gateway_answers",
    "gateway_cache_failures",
    "gateway_cache_reads",
    "gateway_cancels",
    "gateway_dead_man_fired",
    "gateway_dead_man_under_way",
    "gateway_exchange_answers",
    "gateway_feed_connected",
    "gateway_feed_endings",
    "gateway_feed_handler_failures",
    "gateway_feed_login_refused",
    "gateway_feed_malformed",
    "gateway_feed_refusals",
    "gateway_graphql_requests",
    "gateway_graphql_seconds",
    "gateway_journal_export_problem",
    "gateway_journal_problem",
    "gateway_journal_spooled",
    "gateway_orders",
    "gateway_placements_late",
    "gateway_placements_resolved",
    "gateway_placements_unresolved",
    "gateway_policy_refused",
    "gateway_resolution_seconds",
    "gateway_slow_streams",
    "gateway_sockets",
    "gateway_subscription_groups",
    "gateway_subscriptions",
    "gateway_upstream_requests",
    "gateway_window_unenforced",
}

PATIENT = {"NGW_EXCHANGE_READ_TIMEOUT_S": "15", "NGW_ORDER_LEASE_S": "60"}
"""Settings with which a call to the exchange outlasts everything."""


def test_a_gateway_that_runs_is_alive_and_ready(service: Service) -> None:
    alive = service.http.get("/healthz")
    assert (alive.status_code, alive.text) == (200, "ok\n")
    ready = service.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": {}})


def test_metrics_have_their_names_and_say_what_they_are(service: Service) -> None:
    text = service.http.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families.keys() >= METRICS
    assert all(families[name].documentation for name in METRICS)


def test_metrics_count_requests_to_the_exchange_by_endpoint_and_code(
    service: Service, trader: Caller
) -> None:
    calls = {"endpoint": "wallet", "code": "00000"}
    before = service.metric("gateway_upstream_requests_total", **calls)
    trader.answer('{ account(id: "demo") { balances { asset } } }')
    assert service.metric("gateway_upstream_requests_total", **calls) == before + 1


def test_metrics_count_requests_by_outcome_never_by_what_a_caller_wrote(
    service: Service, trader: Caller
) -> None:
    before = service.metric("gateway_graphql_requests_total", code="GRAPHQL_VALIDATION_FAILED")
    trader.post("query Unheard_Of_Name { nothing_of_the_kind }")
    after = service.metric("gateway_graphql_requests_total", code="GRAPHQL_VALIDATION_FAILED")
    assert after == before + 1
    text = service.http.get("/metrics").text
    assert "Unheard_Of_Name" not in text
    assert "nothing_of_the_kind" not in text


def test_a_lost_exchange_is_told_and_does_not_make_it_unready(fresh_service: FreshService) -> None:
    service = fresh_service()
    service.exchange.stop()
    assert eventually(lambda: "feed" in service.problems())
    assert service.http.get("/readyz").status_code == 200
    assert service.readiness() == "degraded"
    state = service.caller().answer(operation("exchange"))["exchange"]
    assert (state["feed"]["connected"], state["reachable"]) == (False, False)
    service.exchange.start()
    assert eventually(lambda: service.readiness() == "ready")


def test_an_exchange_whose_rest_fails_is_told_though_its_stream_goes_on_and_nobody_asks(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_CLOCK_SYNC_S="0.2")
    assert service.metric("gateway_exchange_answers") == 1
    with service.exchange.fault(outcome="html-502"):
        assert eventually(lambda: service.problems().keys() == {"exchange"})
        assert "no answer of its REST since " in service.problems()["exchange"]
        assert service.metric("gateway_exchange_answers") == 0
    assert eventually(lambda: service.readiness() == "ready")
    events = [line["event"] for line in service.events()]
    assert [event for event in events if event.startswith("exchange.a")] == ["exchange.away"]
    assert [event for event in events if event.startswith("exchange.b")] == ["exchange.back"]


def test_accounts_whose_login_the_exchange_refuses_are_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    config = replace(QUIET, accounts=(DEMO, OUTSIDER, COUNTERPARTY))
    with running_service(tmp_path_factory, config, ready=("degraded",)) as service:
        told = "the exchange refuses the stream of vault"
        assert eventually(lambda: service.problems().get("logins") == told)
        assert eventually(
            lambda: service.metric("gateway_feed_login_refused", account="vault") == 1
        )
        assert service.metric("gateway_feed_login_refused", account="demo") == 0


def test_a_lost_journal_is_told_and_does_not_make_it_unready(fresh_service: FreshService) -> None:
    service = fresh_service()
    service.valkey.stop()
    assert eventually(lambda: "journal" in service.problems())
    assert service.http.get("/readyz").status_code == 200
    assert service.caller().answer('{ market(symbol: "BTCUSDT") { ticker { last } } }')
    service.valkey.start()
    assert eventually(lambda: service.readiness() == "ready")


def test_on_sigterm_sockets_close_with_1001_and_the_order_under_way_is_recorded(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_EXCHANGE_READ_TIMEOUT_S="5")
    caller, exchange = service.caller(), service.exchange
    accepted(caller, "before")
    with (
        ThreadPoolExecutor(2) as pool,
        exchange.fault("market/limit-buy", replyDelayMs=1000),
        open_socket(service.ws_url, caller.token) as idle,
        open_socket(service.ws_url, caller.token) as following,
        open_socket(service.ws_url) as silent,
    ):
        following.subscribe(operation("watch-tickers"))
        following.subscribe(operation("watch-orders"), "orders", account="demo")
        assert following.receive()["type"] == "next"
        by_http = pool.submit(accepted, caller, "by-http", price="340000")
        idle.subscribe(PLACE, **command("by-socket", price="340001"))
        assert eventually(lambda: len(exchange.orders("demo", price=340000)) == 1)
        assert eventually(lambda: len(exchange.orders("demo", price=340001)) == 1)
        service.signal(signal.SIGTERM)
        assert [each.closed() for each in (idle, following, silent)] == [1001] * 3
        assert by_http.result()["placement"]["state"] == "ACCEPTED"
        assert service.exit_code(within_s=10) == 0
    assert service.complaints() == []
    service.start()
    for name, price in (("by-http", "340000"), ("by-socket", "340001")):
        assert accepted(caller, name, price=price)["placement"]["state"] == "ACCEPTED"
        assert len(exchange.requests("market/limit-buy", price=price)) == 1


def test_while_it_stops_it_answers_what_it_has_begun_and_sends_everybody_else_away(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_EXCHANGE_READ_TIMEOUT_S="6", NGW_SHUTDOWN_GRACE_S="20")
    caller, exchange = service.caller(), service.exchange
    with (
        exchange.fault("market/limit-buy", replyDelayMs=4000),
        open_socket(service.ws_url, caller.token) as opened,
    ):
        opened.subscribe(PLACE, **command("begun", price="340010"))
        assert eventually(lambda: len(exchange.orders("demo", price=340010)) == 1)
        service.signal(signal.SIGTERM)
        assert eventually(lambda: service.readiness() == "stopping")
        assert service.http.get("/healthz").status_code == 200
        refused = caller.post(PLACE, **command("not-begun", price="340011"))
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["extensions"]["code"]) == (503, "STOPPING")
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
        assert caller.post("{ markets { symbol } }").status_code == 503
        facade = service.http.get("/v3/api/market/24h")
        assert (facade.json()["code"], facade.headers["connection"]) == ("90000", "close")
        with open_socket(service.ws_url) as late:
            assert late.closed() == 1013
        assert opened.next()["placeOrder"]["placement"]["state"] == "ACCEPTED"
        assert opened.closed() == 1001
    assert service.exit_code(within_s=20) == 0
    assert exchange.orders("demo", price=340011) == []
    assert service.complaints() == []


def test_on_sigterm_subscribers_are_sent_away_one_by_one(fresh_service: FreshService) -> None:
    service = fresh_service(NGW_SHUTDOWN_GRACE_S="30")
    token = service.caller().token
    with ExitStack() as stack:
        opened = [stack.enter_context(open_socket(service.ws_url, token)) for _ in range(60)]
        for each in opened:
            each.subscribe(operation("watch-tickers"))
            each.next()
        service.signal(signal.SIGTERM)
        assert opened[0].closed() == 1001
        opened[-1].send(type="ping")
        while (heard := opened[-1].receive())["type"] == "next":
            pass
        assert heard == {"type": "pong"}
        assert {each.closed() for each in opened[1:]} == {1001}
    assert service.exit_code(within_s=20) == 0
    assert service.complaints() == []


def test_on_sigterm_an_order_that_outlasts_the_grace_is_given_up_and_never_sent_again(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_EXCHANGE_READ_TIMEOUT_S="2", NGW_SHUTDOWN_GRACE_S="1")
    caller, exchange = service.caller(), service.exchange
    with (
        ThreadPoolExecutor(1) as pool,
        exchange.fault("market/limit-buy", replyDelayMs=3000),
    ):
        given_up = pool.submit(caller.post, PLACE, **command("given-up", price="340002"))
        assert eventually(lambda: len(exchange.orders("demo", price=340002)) == 1)
        service.signal(signal.SIGTERM)
        assert service.exit_code(within_s=10) == 0
        assert not given_up.result().is_success
    service.start()
    body = caller.answer(PLACE, **command("given-up", price="340002"))["placeOrder"]
    assert body["__typename"] == "OrderPending"
    assert len(exchange.requests("market/limit-buy", price="340002")) == 1


def test_on_sigterm_it_ends_in_its_grace_though_exchange_and_redis_are_silent(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(**PATIENT, NGW_SHUTDOWN_GRACE_S="2")
    caller, exchange = service.caller(), service.exchange
    with (
        ExitStack() as stack,
        ThreadPoolExecutor(1) as pool,
        exchange.fault("market/limit-buy", replyDelayMs=12_000),
        exchange.fault("market/limit-sell", replyDelayMs=1_000),
        open_socket(service.ws_url, caller.token) as opened,
    ):
        opened.subscribe(operation("watch-orders"), "orders", account="demo")
        opened.subscribe(PLACE, "sale", **command("sale", side="SELL", price="350000"))
        opened.subscribe(PLACE, "by-socket", **command("by-socket", price="340003"))
        pool.submit(caller.post, PLACE, **command("by-http", price="340004"))
        assert eventually(lambda: len(exchange.orders("demo")) == 3)
        exchange.streams("mute")
        service.valkey.pause()
        stack.callback(service.valkey.resume)
        assert eventually(lambda: service.metric("gateway_journal_spooled") == 1)
        service.signal(signal.SIGTERM)
        assert service.exit_code(within_s=5) == 0


def test_a_reading_that_the_end_cuts_short_is_on_record(
    fresh_service: FreshService, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    service = fresh_service(**PATIENT, NGW_AUDIT_FILE=str(path), NGW_SHUTDOWN_GRACE_S="1")
    before = len(service.exchange.requests("balance/wallet"))
    with (
        ThreadPoolExecutor(1) as pool,
        service.exchange.fault("balance/wallet", delayMs=10_000),
    ):
        pool.submit(service.caller().post, operation("account"), id="demo")
        assert eventually(lambda: len(service.exchange.requests("balance/wallet")) > before)
        service.signal(signal.SIGTERM)
        assert service.exit_code(within_s=10) == 0
    entries = [json.loads(line)["audit"] for line in path.read_text().splitlines()]
    assert {"CANCELLED"} <= {each["outcome"] for each in entries if each["kind"] == "READ"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_while_nothing_is_under_way(
    fresh_service: FreshService, number: signal.Signals
) -> None:
    service = fresh_service()
    service.signal(number)
    assert service.exit_code(within_s=10) == 0
    assert service.complaints() == []


def test_every_line_of_the_log_is_json_with_what_a_reader_needs(
    service: Service, trader: Caller
) -> None:
    accepted(trader, "logged")
    trader.post("garbage")
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert len(lines) > 2
    for line in lines:
        assert line.keys() == {"audit"} or line.keys() >= NEEDED
    assert any("audit" in line for line in lines)


def test_an_order_can_be_found_in_the_log_by_its_trace_id(service: Service, trader: Caller) -> None:
    response = trader.post(PLACE, **command("traced"))
    placement = response.json()["data"]["placeOrder"]["placement"]["id"]
    (line,) = [line for line in service.events() if line.get("placement") == placement]
    assert line["event"] == "order.ended"
    assert line["trace_id"] == response.headers["x-trace-id"]


def test_a_failed_read_can_be_found_in_the_log_by_its_trace_id(
    service: Service, trader: Caller
) -> None:
    with service.exchange.fault("balance/wallet", outcome="html-502"):
        response = trader.post('query Chosen { account(id: "demo") { balances { asset } } }')
    text = service.log.read_text()
    trace = response.headers["x-trace-id"]
    mine = [line for line in service.events() if line.get("trace_id") == trace]
    assert [line["event"] for line in mine] == [
        "exchange.retry",
        "exchange.retry",
        "request.failed",
    ]
    assert (mine[0]["endpoint"], mine[0]["cause"], mine[0]["attempt"]) == (
        "wallet", "server_error", 1,
    )  # fmt: skip
    told = {name: mine[-1][name] for name in ("principal", "operation", "field", "code")}
    assert told == {
        "principal": "trader",
        "operation": "query",
        "field": "account",
        "code": "EXCHANGE_UNAVAILABLE",
    }
    assert "Chosen" not in text
    assert "stamina" not in text


def test_it_refuses_to_start_and_tells_every_fault_at_once(
    tmp_path: Path, service: Service
) -> None:
    bad = {"NGW_POLICY_RELOAD_S": "never", "NGW_MISSPELT": "1", "NGW_EXCHANGE_REST_URL": "nowhere"}
    code, output = service.try_start(bad)
    assert code == 2
    for name in bad:
        assert name in output
    assert "Traceback" not in output


def test_it_refuses_to_start_with_a_bad_policy(tmp_path: Path, service: Service) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 2\naccounts: []\n")
    code, output = service.try_start({"NGW_POLICY_FILE": str(policy)})
    assert code == 2
    assert "'version' must be 1" in output
    assert "principals" in output
    assert "Traceback" not in output


def test_it_refuses_to_start_on_a_port_in_use(service: Service) -> None:
    code, output = service.try_start({})
    assert code != 0
    assert str(service.port) in output
    assert "Traceback" not in output
