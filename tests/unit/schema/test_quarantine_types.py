"""Which accounts are in quarantine, and letting their orders out, over a real journal."""

from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.cli.operations import operation
from tests.unit.schema.examples import EVERYTHING, Desk, codes, desk_of
from tests.unit.services.examples import policy
from tests.unit.store.examples import placement
from tests.unit.store.journals import begin, journal_on
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

NOBODY = policy(Action.MARKET_READ)
QUARANTINES = "{ quarantines { account reason } }"


async def run(desk: Desk, document: str, **variables: object) -> Any:  # noqa: ANN401 - of any shape
    response = await desk.run(operation(document), variables)
    assert "errors" not in response, response
    (value,) = response["data"].values()
    return value


async def test_a_quarantine_is_shown_with_its_reason_until_the_account_is_reopened(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        assert (await run(desk, "account", id="demo"))["quarantine"] is None
        await begin(journal_on(desk.redis, server="1" * 40), placement())
        why = (await run(desk, "account", id="demo"))["quarantine"]
        assert "another Redis server" in why
        assert (await run(desk, "account", id="demo"))["tradingState"] == "CANCEL_ONLY"
        done = await run(desk, "reopen-account", account="demo", reason="compared")
        assert done == {"__typename": "AccountReopened", "account": "demo", "quarantine": why}
        shown = await run(desk, "account", id="demo")
        assert (shown["quarantine"], shown["tradingState"]) == (None, "ACTIVE")


async def test_accounts_in_quarantine_are_listed_for_whoever_operates_them(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(url=valkey.url) as desk:
        assert (await desk.run(QUARANTINES))["data"] == {"quarantines": []}
        await begin(journal_on(desk.redis, server="1" * 40), placement())
        (shown,) = (await desk.run(QUARANTINES))["data"]["quarantines"]
        assert shown["account"] == "demo"
        assert "another Redis server" in shown["reason"]


async def test_reopening_an_account_that_is_open_says_that_it_was(valkey: ValkeyServer) -> None:
    async with desk_of(url=valkey.url) as desk:
        await begin(journal_on(desk.redis), placement())
        done = await run(desk, "reopen-account", account="demo", reason="to be sure")
        assert done == {"__typename": "AccountReopened", "account": "demo", "quarantine": None}


async def test_without_the_grant_no_quarantine_is_shown_or_ended(valkey: ValkeyServer) -> None:
    async with desk_of(NOBODY, url=valkey.url) as desk:
        await begin(journal_on(desk.redis, server="1" * 40), placement())
        assert codes(await desk.run(QUARANTINES)) == ["FORBIDDEN"]
        assert desk.watch.audit.outcomes() == [("DENIED", "FORBIDDEN")]
        refused = await run(desk, "reopen-account", account="demo", reason="why")
        assert (refused["code"], refused["rule"]) == ("FORBIDDEN", "default-deny")
        assert await journal_on(desk.redis).quarantine("demo") is not None


async def test_without_redis_nobody_is_told_that_no_account_is_shut() -> None:
    async with desk_of(EVERYTHING, url="redis://127.0.0.1:1") as desk:
        assert codes(await desk.run(QUARANTINES)) == ["JOURNAL_UNAVAILABLE"]
        done = await run(desk, "reopen-account", account="demo", reason="why")
        assert (done["code"], done["retryable"]) == ("JOURNAL_UNAVAILABLE", True)
