"""The gateway's process dies while an order is under way."""

import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.faults.conftest import StartGateway
from tests.functional.exchange import Exchange
from tests.functional.ordering import PLACEMENT, accepted, place
from tests.processes import eventually


def test_an_order_under_way_at_a_kill_is_never_sent_again_and_is_found_out(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    service = start_gateway(
        NGW_EXCHANGE_READ_TIMEOUT_S="2", NGW_ORDER_LEASE_S="6", NGW_ORDER_WINDOW_MS="1000"
    )
    caller = service.caller()
    with (
        exchange.fault("market/limit-buy", replyDelayMs=2_000),
        ThreadPoolExecutor(1) as pool,
    ):
        lost = pool.submit(place, caller, "lost", price="320000")
        assert eventually(lambda: len(exchange.orders("demo", price=320000)) == 1)
        service.signal(signal.SIGKILL)
        service.exit_code()
        with pytest.raises(httpx.TransportError):
            lost.result()
    service.start()
    first = place(caller, "lost", price="320000")
    assert first["__typename"] == "OrderPending"
    assert (first["placement"]["state"], first["placement"]["newIdSafe"]) == ("SENDING", False)
    (order,) = exchange.orders("demo")
    placement_id = first["placement"]["id"]

    def shown() -> dict[str, str]:
        found = caller.answer(PLACEMENT, id=placement_id)["placement"]
        return {"state": found["state"], "orderId": (found["order"] or {}).get("orderId", "")}

    assert eventually(lambda: shown() == {"state": "ACCEPTED", "orderId": order["orderId"]})
    assert place(caller, "lost", price="320000")["__typename"] == "OrderAccepted"
    assert len(exchange.requests("market/limit-buy", price="320000")) == 1
    accepted(caller, "after-the-kill", price="320001")
