"""The drop copy as it is shown, over the events of a real journal and leader."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from graphql import ExecutionResult

from gateway.access.policy import Action
from gateway.cli.operations import operation
from gateway.domain.account import Balance
from gateway.domain.account_events import AccountEvent, Origin
from gateway.domain.errors import BadUserInput, Forbidden
from gateway.domain.streams import Gap
from gateway.schema.account_event_types import AccountEvent as ShownEvent
from gateway.store.account_events import AccountEventStore
from gateway.store.journal_keys import events_key
from tests.unit.schema.examples import Desk, desk_of
from tests.unit.services.examples import fill, order, policy
from tests.unit.store.examples import placement
from tests.unit.store.journals import begin, journal_on, lead
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

HELD = Balance("BTC", Decimal(3), Decimal(2), Decimal(1))
Begun = AsyncGenerator[ExecutionResult] | ExecutionResult


async def begun(desk: Desk, after: str | None) -> Begun:
    document = desk.documents.operation(operation("watch-account-events"), None)
    variables = {"account": "demo", "after": after}
    return await desk.execution.subscribe(document, variables, desk.context())


@asynccontextmanager
async def following(desk: Desk, after: str | None) -> AsyncGenerator[AsyncGenerator[Any]]:
    results = await begun(desk, after)
    assert not isinstance(results, ExecutionResult), results

    async def events() -> AsyncGenerator[Any]:
        async for result in results:
            assert result.errors is None
            assert result.data is not None
            yield result.data["accountEvents"]

    async with aclosing(results), aclosing(events()) as told:
        yield told


async def happen(desk: Desk) -> None:
    """An intent, and one event of every other kind."""
    await begin(journal_on(desk.redis), placement())
    told = [
        AccountEvent(sequence=0, time=2, order=order("o-1"), origin=Origin.EXTERNAL),
        AccountEvent(
            sequence=0, time=3, order=order("o-2"), origin=Origin.GATEWAY, placement_id="demo.1"
        ),
        AccountEvent(sequence=0, time=4, fill=fill(1)),
        AccountEvent(sequence=0, time=5, balance=HELD),
        AccountEvent(sequence=0, time=6, gap=Gap(5, "cut")),
    ]
    await AccountEventStore(desk.redis, 100).append(await lead(desk.redis), told)


async def test_everything_that_happens_is_shown_in_order_with_its_number(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        await happen(desk)
        async with following(desk, "0") as events:
            shown = [await anext(events) for _ in range(6)]
    assert [each["sequence"] for each in shown] == ["1", "2", "3", "4", "5", "6"]
    assert [each["time"][-4:-1] for each in shown[1:]] == ["002", "003", "004", "005", "006"]
    intent, outside, own, traded, held, gap = (each["change"] for each in shown)
    assert (intent["state"], intent["principal"]) == ("SENDING", "demo-app")
    assert (outside["origin"], outside["placementId"]) == ("EXTERNAL", None)
    assert outside["order"]["orderId"] == "o-1"
    assert (own["origin"], own["placementId"]) == ("GATEWAY", "demo.1")
    assert (traded["__typename"], traded["symbol"]) == ("Fill", "BTCUSDT")
    assert (held["asset"], held["total"], held["held"]) == ("BTC", "3", "1")
    assert (gap["__typename"], gap["reason"]) == ("Gap", "cut")


async def test_who_resumes_misses_nothing_and_is_told_nothing_twice(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        await happen(desk)
        async with following(desk, "4") as events:
            assert [(await anext(events))["sequence"] for _ in range(2)] == ["5", "6"]


async def test_what_is_no_longer_kept_is_a_gap_without_a_number(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        await happen(desk)
        await desk.redis.xtrim(events_key("demo"), minid="4-0", approximate=False)
        async with following(desk, "1") as events:
            lost, first = await anext(events), await anext(events)
    assert (lost["sequence"], lost["change"]["__typename"]) == (None, "Gap")
    assert first["sequence"] == "4"


@pytest.mark.parametrize("after", ["", "-1", "1.5", "x", "1" * 19, "\u0661"])
async def test_what_is_no_sequence_is_bad_input(after: str) -> None:
    async with desk_of() as desk:
        result = await begun(desk, after)
        assert not isinstance(result, ExecutionResult)
        with pytest.raises(Exception, match="expected the sequence") as refused:
            await anext(result)
        assert isinstance(getattr(refused.value, "original_error", refused.value), BadUserInput)


@pytest.mark.parametrize("missing", [Action.ORDERS_READ_ALL, Action.ACCOUNT_READ])
async def test_it_takes_the_right_to_see_all_orders_and_to_read_the_account(
    missing: Action,
) -> None:
    others = policy(*(action for action in Action if action is not missing))
    async with desk_of(others) as desk:
        result = await begun(desk, None)
        if isinstance(result, ExecutionResult):
            assert result.errors is not None
            failure: BaseException | None = result.errors[0].original_error
        else:
            with pytest.raises(Exception, match="not allowed") as refused:
                await anext(result)
            failure = getattr(refused.value, "original_error", refused.value)
        assert isinstance(failure, Forbidden)
        assert failure.action == missing


def test_an_event_that_tells_nothing_is_a_fault() -> None:
    with pytest.raises(ValueError, match="event 7 tells nothing"):
        ShownEvent.of(AccountEvent(sequence=7, time=1), "demo")
