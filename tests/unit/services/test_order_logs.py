"""What the log says of orders and cancels, from the service that has them logged."""

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.access.policy import Action
from gateway.domain.errors import BadUserInput, GatewayError, NotSent, Refused, Unclear
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import Placement
from tests.unit.services.desks import CALLER, Desk, desk_of
from tests.unit.services.examples import command, order, policy
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

ACCEPTED = order("placed")
POOR = Refused("e", "10031", "INSUFFICIENT_BALANCE", "too little", "lower it", retry=False)
REVOKED = Refused("e", "20001", "INVALID_CREDENTIALS", "bad key", "check it", retry=False)
GONE = Refused("e", "10075", "ORDER_NOT_FOUND", "not open", "look", retry=False)
NOT_SENT = NotSent("e", "connect")
UNCLEAR = Unclear("e", "timeout")

Line = MutableMapping[str, Any]


async def line_of_an_order(desk: Desk) -> tuple[Line, Placement | None]:
    placed = None
    with capture_logs() as lines, suppress(GatewayError):
        placed = await desk.orders.place(CALLER, command())
    (line,) = lines
    return line, placed


async def line_of_a_cancel(desk: Desk, order_id: str = "placed") -> Line:
    with capture_logs() as lines, suppress(GatewayError):
        await desk.cancels.cancel(CALLER, "demo", order_id)
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("answer", "level", "state", "code", "exchange_code"),
    [
        (ACCEPTED, "info", "ACCEPTED", None, None),
        (POOR, "info", "REJECTED", "INSUFFICIENT_BALANCE", "10031"),
        (REVOKED, "warning", "REJECTED", "INVALID_CREDENTIALS", "20001"),
        (NOT_SENT, "info", "NOT_SENT", "EXCHANGE_UNAVAILABLE", None),
        (UNCLEAR, "warning", "UNKNOWN", None, None),
    ],
)
async def test_an_order_leaves_a_line_with_whose_it_was_and_how_it_ended(
    valkey: ValkeyServer,
    answer: object,
    level: str,
    state: str,
    code: str | None,
    exchange_code: str | None,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers["place"] = answer
        line, placed = await line_of_an_order(desk)
    assert placed is not None
    assert line == {
        "event": "order.ended",
        "log_level": level,
        "placement": placed.id,
        "principal": "app",
        "account": "demo",
        "client_order_id": "c-1",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "state": state,
        "order_id": "placed" if answer is ACCEPTED else None,
        "code": code,
        "exchange_code": exchange_code,
        "evidence": placed.evidence,
    }


async def test_an_order_that_is_asked_for_again_leaves_no_second_line(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command())
        desk.exchange.answers["prepare order"] = NOT_SENT
        with capture_logs() as lines:
            await desk.orders.place(CALLER, command())
    assert lines == []


async def test_an_order_refused_for_want_of_a_journal_leaves_a_warning() -> None:
    async with desk_of("redis://127.0.0.1:1", patience_s=0.5) as desk:
        line, _ = await line_of_an_order(desk)
    assert (line["event"], line["log_level"]) == ("order.refused", "warning")
    assert (line["code"], line["client_order_id"]) == ("JOURNAL_UNAVAILABLE", "c-1")


async def test_an_order_that_the_policy_refuses_leaves_a_line(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, policy(Action.ACCOUNT_READ)) as desk:
        line, _ = await line_of_an_order(desk)
    assert (line["event"], line["log_level"], line["code"]) == (
        "order.refused", "info", "FORBIDDEN",
    )  # fmt: skip


@pytest.mark.parametrize("given", [command("no id!"), command(quantity="11")])
async def test_an_order_that_can_be_none_leaves_a_line_and_is_counted(
    valkey: ValkeyServer, given: PlaceOrder
) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.orders.place(CALLER, command())
        with capture_logs() as lines, suppress(BadUserInput):
            await desk.orders.place(CALLER, given)
    (line,) = lines
    assert (line["event"], line["code"]) == ("order.refused", "BAD_USER_INPUT")
    assert line["client_order_id"] == given.client_order_id
    assert desk.count("orders", "BAD_USER_INPUT") == 1


async def test_an_order_s_id_is_in_the_log_as_a_whole(valkey: ValkeyServer) -> None:
    whole = "f" * 72
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers |= {"place": order(whole), "cancel": order(whole)}
        placed, _ = await line_of_an_order(desk)
        cancelled = await line_of_a_cancel(desk, whole)
    assert placed["order_id"] == cancelled["order_id"] == whole


async def test_a_text_that_nothing_has_checked_is_cut_in_the_log(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        with capture_logs() as lines:
            with suppress(GatewayError):
                await desk.orders.place(CALLER, replace(command(), symbol="A" * 100_000))
            with suppress(GatewayError):
                await desk.orders.place(CALLER, replace(command(), account="a" * 100_000))
            with suppress(GatewayError):
                await desk.orders.place(CALLER, command("i" * 100_000))
            with suppress(GatewayError):
                await desk.cancels.cancel(CALLER, "a" * 100_000, "o" * 100_000)
    assert [line["event"] for line in lines] == [*["order.refused"] * 3, "cancel.ended"]
    assert max(len(str(line)) for line in lines) < 500


@pytest.mark.parametrize(
    ("answer", "level", "state", "code", "exchange_code"),
    [
        (ACCEPTED, "info", "CANCELLED", None, None),
        (UNCLEAR, "warning", "UNKNOWN", None, None),
        (POOR, "info", "REJECTED", "INSUFFICIENT_BALANCE", "10031"),
        (REVOKED, "warning", "REJECTED", "INVALID_CREDENTIALS", "20001"),
        (GONE, "info", "REJECTED", "ORDER_NOT_FOUND", None),
        (NOT_SENT, "info", "NOT_SENT", "EXCHANGE_UNAVAILABLE", None),
    ],
)
async def test_a_cancel_leaves_a_line_with_its_order_and_how_it_ended(
    valkey: ValkeyServer,
    answer: object,
    level: str,
    state: str,
    code: str | None,
    exchange_code: str | None,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.exchange.answers |= {"cancel": answer, "open orders": (order("placed"),)}
        line = await line_of_a_cancel(desk)
    assert line == {
        "event": "cancel.ended",
        "log_level": level,
        "principal": "app",
        "account": "demo",
        "order_id": "placed",
        "state": state,
        "code": code,
        "exchange_code": exchange_code,
        "evidence": str(UNCLEAR) if answer is UNCLEAR else None,
    }


async def test_a_cancel_that_the_policy_refuses_leaves_a_line(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url, policy(Action.ACCOUNT_READ)) as desk:
        line = await line_of_a_cancel(desk)
    assert (line["event"], line["state"], line["code"]) == (
        "cancel.ended", "NOT_SENT", "FORBIDDEN",
    )  # fmt: skip
