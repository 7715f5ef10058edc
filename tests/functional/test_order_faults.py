"""Orders when the exchange fails: never sent twice, never called what nobody knows."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, open_socket
from tests.functional.conftest import FreshService
from tests.functional.exchange import Exchange, Json
from tests.functional.ordering import PLACEMENT, accepted, cancel, place
from tests.functional.service import Service
from tests.processes import eventually

# Each with the state that an order ends in, which says whether it stands on the exchange.
UNCLEAR: dict[str, tuple[dict[str, object], str]] = {
    "drop-before": ({"outcome": "drop-before"}, "NOT_PLACED"),
    "drop-after": ({"outcome": "drop-after"}, "ACCEPTED"),
    "html-502": ({"outcome": "html-502"}, "NOT_PLACED"),
    "code-before": ({"outcome": "code-before"}, "NOT_PLACED"),
    "code-after": ({"outcome": "code-after"}, "ACCEPTED"),
    "late": ({"replyDelayMs": 1500}, "ACCEPTED"),
}


def resolved(caller: Caller, placement_id: str) -> Json:
    """A placement once its outcome is known."""
    found: list[Json] = []

    def known() -> bool:
        found.append(caller.answer(PLACEMENT, id=placement_id)["placement"])
        return bool(found[-1]["state"] != "UNKNOWN")

    assert eventually(known), found[-1]
    return found[-1]


@pytest.fixture
def settled(service: Service) -> None:
    """Once the account has been followed for a while: only then does silence prove anything."""

    def since_connected() -> timedelta:
        stamps = [
            datetime.fromisoformat(event["timestamp"])
            for event in service.events()
            if event["event"] == "feed.connected" and event["feed"] == "account demo"
        ]
        return datetime.now(tz=UTC) - max(stamps, default=datetime.now(tz=UTC))

    assert eventually(lambda: since_connected() > timedelta(seconds=3))


@pytest.mark.parametrize("name", UNCLEAR)
@pytest.mark.usefixtures("settled")
def test_an_unclear_outcome_is_pending_until_it_is_known_and_the_order_went_out_once(
    exchange: Exchange, trader: Caller, name: str
) -> None:
    fault, ending = UNCLEAR[name]
    price = str(310_000 + list(UNCLEAR).index(name))
    with exchange.fault("market/limit-buy", **fault):
        first = place(trader, f"unclear-{name}", price=price)
    assert first["__typename"] == "OrderPending", first
    pending = first["placement"]
    assert (pending["state"], pending["newIdSafe"]) == ("UNKNOWN", False)
    assert pending["resolveBy"]
    placement = resolved(trader, pending["id"])
    assert (placement["state"], placement["newIdSafe"]) == (ending, ending == "NOT_PLACED")
    assert placement["evidence"]
    assert (placement["side"], placement["price"], placement["quantity"]) == ("BUY", price, "0.001")
    standing = {order["orderId"] for order in exchange.orders("demo", price=int(price))}
    shown = placement["order"]
    assert standing == (set() if shown is None else {shown["orderId"]})
    assert len(standing) == (1 if ending == "ACCEPTED" else 0)
    again = place(trader, f"unclear-{name}", price=price)
    assert again["__typename"] == ("OrderAccepted" if standing else "OrderRejected"), again
    assert len(exchange.requests("market/limit-buy", price=price)) == 1


@pytest.mark.parametrize(
    ("outcome", "ending", "price"),
    [("drop-after", "ACCEPTED", "310300"), ("drop-before", "NOT_PLACED", "310301")],
)
@pytest.mark.usefixtures("settled")
def test_who_follows_the_orders_is_told_what_became_of_a_pending_one(
    service: Service, exchange: Exchange, trader: Caller, outcome: str, ending: str, price: str
) -> None:
    with open_socket(service.ws_url, trader.token) as socket:
        socket.subscribe(operation("watch-orders"), account="demo")
        with exchange.fault("market/limit-buy", outcome=outcome):
            pending = place(trader, f"followed-{outcome}", price=price)["placement"]
        event = socket.next()["orders"]
        while event.get("id") != pending["id"] or event["state"] == "UNKNOWN":
            event = socket.next()["orders"]
    assert event["state"] == ending


@pytest.mark.usefixtures("settled")
def test_an_identical_order_waits_for_the_outcome_of_the_one_before(
    exchange: Exchange, trader: Caller
) -> None:
    with exchange.fault("market/limit-buy", outcome="drop-before", count=1):
        pending = place(trader, "twin", price="310310")["placement"]
    refused = place(trader, "other-twin", price="310310")
    assert rejection(refused) == ("OrderRejected", "DUPLICATE_ORDER", True)
    assert pending["id"] in refused["message"]
    accepted(trader, "no-twin", price="310311")
    assert resolved(trader, pending["id"])["state"] == "NOT_PLACED"
    accepted(trader, "other-twin", price="310310")
    assert len(exchange.orders("demo", price=310310)) == 1


def test_an_order_still_under_way_is_not_sent_again_by_a_second_gateway(
    service: Service, exchange: Exchange, trader: Caller, fresh_service: FreshService
) -> None:
    other = fresh_service(
        NGW_STATE_REDIS_URL=service.valkey.url,
        NGW_EXCHANGE_REST_URL=exchange.url,
        NGW_EXCHANGE_WS_URL=exchange.stream_url,
    )
    with exchange.fault("market/limit-buy", outcome="drop-after"):
        first = place(trader, "two-gateways", price="310100")
    again = place(other.caller(), "two-gateways", price="310100")
    assert again["placement"]["id"] == first["placement"]["id"]
    assert len(exchange.requests("market/limit-buy", price="310100")) == 1


@pytest.fixture
def cut_off(fresh_service: FreshService) -> Service:
    """A gateway whose exchange has gone away after it was ready."""
    service = fresh_service()
    accepted(service.caller(), "while-it-was-there")
    service.exchange.stop()
    return service


def rejection(result: Json) -> tuple[str, str, bool]:
    return result["__typename"], result["code"], result["retryable"]


def test_an_order_that_could_not_leave_is_rejected_and_a_new_id_is_safe(cut_off: Service) -> None:
    caller = cut_off.caller()
    rejected = place(caller, "not-sent")
    assert rejection(rejected) == ("OrderRejected", "EXCHANGE_UNAVAILABLE", True)
    cut_off.exchange.start()
    assert cut_off.exchange.orders("demo") == []
    assert eventually(lambda: cut_off.readiness() == "ready")
    accepted(caller, "not-sent-anew")
    assert len(cut_off.exchange.orders("demo")) == 1


def test_a_cancel_that_could_not_leave_is_rejected(cut_off: Service) -> None:
    result = cancel(cut_off.caller(), "0" * 72)
    assert rejection(result) == ("CancelRejected", "EXCHANGE_UNAVAILABLE", True)
    assert result["message"].endswith("nothing was sent: try again")


def test_without_its_journal_no_order_is_sent(fresh_service: FreshService) -> None:
    service = fresh_service()
    caller = service.caller()
    accepted(caller, "with-journal")
    service.valkey.stop()
    result = place(caller, "without-journal", price="310200")
    assert rejection(result) == ("OrderRejected", "JOURNAL_UNAVAILABLE", True)
    assert service.exchange.requests("market/limit-buy", price="310200") == []
    assert service.metric("gateway_orders_total", outcome="ACCEPTED") == 1
    assert service.metric("gateway_orders_total", outcome="JOURNAL_UNAVAILABLE") == 1


def test_after_its_journal_was_restarted_no_order_is_sent_until_the_account_is_reopened(
    fresh_service: FreshService,
) -> None:
    service = fresh_service()
    caller = service.caller()
    order_id = accepted(caller, "before-the-restart")["order"]["orderId"]
    service.valkey.stop()
    service.valkey.start()

    def quarantined() -> bool:
        refused = place(caller, "after-the-restart", price="310201")
        return bool(refused["code"] == "ACCOUNT_QUARANTINED")

    assert eventually(quarantined)
    assert eventually(lambda: "demo" in service.problems().get("quarantine", ""))
    assert service.metric("gateway_accounts_quarantined") == 1
    assert cancel(caller, order_id)["__typename"] == "OrderCancelled"
    assert service.exchange.requests("market/limit-buy", price="310201") == []
    reopen = {"account": "demo", "reason": "a planned restart"}
    reopened = service.caller("operator").answer(operation("reopen-account"), **reopen)
    assert reopened["reopenAccount"]["__typename"] == "AccountReopened"
    # Whether the new server may lose records is asked first.
    assert eventually(
        lambda: place(caller, "reopened", price="310202")["__typename"] == "OrderAccepted"
    )
    assert eventually(lambda: "quarantine" not in service.problems())
