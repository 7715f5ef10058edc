from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.cli.operations import operation
from gateway.services.trading_switch import TradingSwitch
from gateway.store.switches import SwitchStore
from tests.unit.schema.examples import EVERYTHING, Desk, codes, desk_of
from tests.unit.services.examples import policy
from tests.unit.services.governing import StandInAudit
from tests.unit.store.examples import open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

TIME = "1970-01-01T00:16:40.000Z"
BY = {"reason": "why", "setBy": "app", "setAt": TIME}
AWAY = "redis://127.0.0.1:1"


@asynccontextmanager
async def operating(url: str, *actions: Action) -> AsyncIterator[Desk]:
    """A schema over a real trading switch; the caller may do everything unless `actions` say so."""
    granted = policy(*actions) if actions else EVERYTHING
    async with desk_of(granted) as desk, open_quick(url) as redis:
        switch = TradingSwitch(
            store=SwitchStore(redis),
            policy=lambda: granted,
            audit=StandInAudit().trail,
            wall_ms=desk.clock,
        )
        desk.services = replace(desk.services, trading_switch=switch)
        yield desk


async def run(desk: Desk, document: str, **variables: object) -> Any:  # noqa: ANN401 - of any shape
    response = await desk.run(operation(document), variables)
    assert "errors" not in response, response
    data = response["data"]
    return next(iter(data.values())) if len(data) == 1 else data


@pytest.mark.parametrize(
    ("given", "account", "principal"),
    [
        ({}, None, None),
        ({"account": None, "principal": None}, None, None),
        ({"account": "demo"}, "demo", None),
        ({"principal": "app"}, None, "app"),
    ],
    ids=["nothing", "null", "account", "principal"],
)
async def test_a_switch_is_shown_as_it_was_set(
    valkey: ValkeyServer, given: dict[str, Any], account: str | None, principal: str | None
) -> None:
    async with operating(valkey.url) as desk:
        done = await run(desk, "set-trading-state", state="HALTED", reason="why", **given)
        switch = {"account": account, "principal": principal, "state": "HALTED", **BY}
        assert done == {"__typename": "TradingStateSet", "switch": switch}
        standing = await run(desk, "trading-switches")
        assert standing == {"tradingSwitches": [switch], "suspensions": [], "quarantines": []}
        done = await run(desk, "set-trading-state", state="ACTIVE", reason="why", **given)
        assert done["switch"] == {**switch, "state": "ACTIVE"}
        assert (await run(desk, "trading-switches"))["tradingSwitches"] == []


async def test_nobody_suspends_themselves_and_a_restored_principal_is_named(
    valkey: ValkeyServer,
) -> None:
    async with operating(valkey.url) as desk:
        refused = await run(desk, "suspend-principal", principal="app", reason="why")
        assert (refused["__typename"], refused["code"]) == ("OperatorRejected", "BAD_USER_INPUT")
        done = await run(desk, "restore-principal", principal="app", reason="why")
        assert done == {"__typename": "PrincipalRestored", "principal": "app"}


async def test_a_switch_is_for_an_account_or_for_a_principal(valkey: ValkeyServer) -> None:
    async with operating(valkey.url) as desk:
        both = {"account": "demo", "principal": "app"}
        refused = await run(desk, "set-trading-state", state="HALTED", reason="why", **both)
        assert refused == {
            "__typename": "OperatorRejected",
            "code": "BAD_USER_INPUT",
            "message": "principal: name an account or a principal, not both",
            "retryable": False,
            "rule": None,
        }


async def test_without_the_grant_mutations_are_refused_in_the_result_and_queries_by_an_error(
    valkey: ValkeyServer,
) -> None:
    async with operating(valkey.url, Action.MARKET_READ) as desk:
        for document, variables in (
            ("set-trading-state", {"state": "HALTED"}),
            ("suspend-principal", {"principal": "app"}),
            ("restore-principal", {"principal": "app"}),
        ):
            refused = await run(desk, document, reason="why", **variables)
            told = (refused["__typename"], refused["code"], refused["rule"])
            assert told == ("OperatorRejected", "FORBIDDEN", "default-deny")
        assert codes(await desk.run("{ tradingSwitches { state } }")) == ["FORBIDDEN"]
        assert codes(await desk.run("{ suspensions { reason } }")) == ["FORBIDDEN"]


async def test_without_redis_nobody_is_told_that_nothing_is_switched_off() -> None:
    async with operating(AWAY) as desk:
        refused = await run(desk, "set-trading-state", state="HALTED", reason="why")
        assert (refused["code"], refused["retryable"]) == ("JOURNAL_UNAVAILABLE", True)
        assert codes(await desk.run("{ tradingSwitches { state } }")) == ["JOURNAL_UNAVAILABLE"]
        assert codes(await desk.run("{ suspensions { reason } }")) == ["JOURNAL_UNAVAILABLE"]
