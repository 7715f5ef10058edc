import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.candidate import CandidateFile, Decisions, WouldDeny
from gateway.access.policy import (
    DEFAULT_DENY,
    AccountRule,
    Action,
    Deny,
    Grant,
    Member,
    OrderTerms,
    Policy,
    Principal,
    PrincipalKind,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType

APP = Principal("app", PrincipalKind.APP)
BUY = OrderTerms("BTCTRY", OrderSide.BUY, OrderType.LIMIT)


def policy_of(*actions: Action, denies: tuple[Deny, ...] = ()) -> Policy:
    member = Member(APP, (), (Grant("granted", frozenset(actions), "demo"),), denies)
    return Policy(
        revision="", accounts=(AccountRule("demo"),), members=(member,), wall_ms=lambda: 0
    )


LOOSE = policy_of(Action.ORDERS_PLACE, Action.ORDERS_CANCEL)
STRICT = policy_of(Action.ORDERS_PLACE)


def decisions(
    in_force: Policy, candidate: Policy | None
) -> tuple[Decisions, list[tuple[Action, str]]]:
    told: list[tuple[Action, str]] = []

    def note(would: WouldDeny) -> None:
        assert (would.principal_id, would.account) == ("app", "demo")
        told.append((would.action, would.decision.rule))

    return Decisions(lambda: in_force, lambda: candidate, note), told


def test_what_only_the_candidate_denies_is_allowed_and_told() -> None:
    it, told = decisions(LOOSE, STRICT)
    assert it.decide("app", Action.ORDERS_CANCEL, "demo").allowed
    assert it.decide("app", Action.ORDERS_PLACE, "demo", BUY).allowed
    assert told == [(Action.ORDERS_CANCEL, DEFAULT_DENY)]


def test_the_rule_that_is_told_is_the_candidates() -> None:
    deny = Deny("no-cancels", frozenset({Action.ORDERS_CANCEL}))
    it, told = decisions(LOOSE, policy_of(Action.ORDERS_CANCEL, denies=(deny,)))
    it.decide("app", Action.ORDERS_CANCEL, "demo")
    assert told == [(Action.ORDERS_CANCEL, "no-cancels")]


def test_a_candidate_opens_nothing() -> None:
    it, told = decisions(STRICT, LOOSE)
    assert not it.decide("app", Action.ORDERS_CANCEL, "demo").allowed
    assert told == []


def test_what_both_deny_is_not_told_twice() -> None:
    it, told = decisions(STRICT, STRICT)
    assert not it.decide("app", Action.ORDERS_CANCEL, "demo").allowed
    assert told == []


def test_without_a_candidate_nothing_is_told() -> None:
    it, told = decisions(LOOSE, None)
    assert it.decide("app", Action.ORDERS_CANCEL, "demo").allowed
    assert it.would_deny("app", Action.ORDERS_CANCEL, "demo") is None
    assert told == []


def test_the_terms_of_an_order_reach_the_candidate() -> None:
    it, told = decisions(LOOSE, STRICT)
    assert it.would_deny("app", Action.ORDERS_PLACE, "demo", BUY) is None
    denial = it.would_deny("app", Action.ORDERS_PLACE, "second", BUY)
    assert denial is not None
    assert denial.reason.endswith("on account 'second' for LIMIT BUY of BTCTRY")
    assert told == []


def text(account: str) -> str:
    return f"version: 1\naccounts: [{account}]\nprincipals: []\n"


def put(path: Path, content: str) -> None:
    """Write at once: a watcher sees the old file or the new, never half of one."""
    path.with_suffix(".new").write_text(content)
    path.with_suffix(".new").rename(path)


@asynccontextmanager
async def watched(file: CandidateFile) -> AsyncIterator[list[Policy]]:
    changes: list[Policy] = []
    task = asyncio.create_task(file.watch(0.005, changes.append))
    try:
        yield changes
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what changes is a file's effect, which has no event
            await asyncio.sleep(0.002)


@pytest.mark.anyio
async def test_no_file_is_a_problem_until_there_is_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "candidate.yaml"
    with capture_logs() as logs:
        file = CandidateFile(path, lambda: 0)
        assert file.current is None
        assert file.problem == "cannot be read: No such file or directory"
        async with watched(file) as changes:
            put(path, "version: 2\n")
            await until(lambda: file.problem is not None and "version" in file.problem)
            assert file.current is None
            put(path, text("first"))
            await until(lambda: bool(changes))
            put(path, text("second"))
            await until(lambda: len(changes) > 1)
    assert [policy.accounts for policy in changes] == [("first",), ("second",)]
    assert file.current is changes[-1]
    assert file.problem is None
    assert {(entry["event"], entry["role"]) for entry in logs} == {
        ("policy.refused", "candidate"),
        ("policy.changed", "candidate"),
    }
    assert [entry["event"] for entry in logs].count("policy.refused") == 2


@pytest.mark.anyio
async def test_a_file_gone_bad_leaves_the_candidate_before_it(tmp_path: Path) -> None:
    path = tmp_path / "candidate.yaml"
    path.write_text(text("first"))
    file = CandidateFile(path, lambda: 0)
    before = file.current
    assert before is not None
    async with watched(file):
        put(path, "nonsense")
        await until(lambda: file.problem is not None)
        assert file.current is before
        put(path, text("first"))
        await until(lambda: file.problem is None)
