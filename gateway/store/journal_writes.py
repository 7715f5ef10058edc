"""Writing the journal: its scripts, with what they are given and what they answer."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from gateway.domain.account_events import AccountEvent
from gateway.domain.budgets import Budget
from gateway.domain.durations import DAY_MS
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.placements import NOTHING_STANDS, Placement, PlacementState
from gateway.store.account_events import event_text
from gateway.store.budgets import (
    BudgetClaim,
    BudgetKey,
    Budgets,
    BudgetTexts,
    Change,
    CorruptBudget,
)
from gateway.store.journal_index import position_of
from gateway.store.journal_keys import (
    Identity,
    ended_key,
    events_key,
    fills_key,
    given_up_key,
    guard_key,
    id_key,
    identity_of,
    index_key,
    order_key,
    record_key,
    refusal_key,
    unresolved_key,
)
from gateway.store.journal_rules import Claimed, entry_text
from gateway.store.journal_scripts import BEGIN, CHANGE, CLAIM_EXTERNAL, DROP, LOOK, REFUSE
from gateway.store.leases import leader_key
from gateway.store.redis import WaitAof, attempt, run_script
from gateway.tracing import Watch, unwatched

_S = PlacementState
_KEEP_REFUSALS_MS = 120_000
"""Longer than any order may take until it is recorded."""

_ENDED = NOTHING_STANDS | {_S.ACCEPTED}
_KEEP_MARKS_MS = 365 * DAY_MS
"""How long it is known of a fill that it made an order, and of an order that it is EXTERNAL."""


def text_of(placement: Placement) -> bytes:
    """The record of a placement."""
    return msgspec.json.encode(placement)


def event_of(placement: Placement) -> bytes:
    """What those who follow the account are told. They need not know what stood before."""
    told = replace(placement, baseline=None)
    return event_text(AccountEvent(sequence=0, time=placement.updated_at, placement=told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing:
    """A record that is to replace another text (empty: none).

    `only_lapsed`: if its lease has passed. `leader`: if it leads the account still. `fills` are
    claimed for it. `own`: the exchange told its order to who sent it, so that the order is its own
    whatever is known of it. `tell`: whether it is an event of the account.
    """

    was: bytes
    placement: Placement
    only_lapsed: bool = False
    leader: Leadership | None = None
    fills: Collection[str] = ()
    own: bool = False
    tell: bool = True


class JournalWrites:
    """The scripts. Everything here raises `StoreUnavailable`; then it may be written all the same.

    `wait` gives what each write has to wait for, to be durable. For `late_watch_ms`, what was found
    NOT_PLACED is watched. The scripts look, begin and change run in what `watch` gives for them.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        wait: Callable[[], WaitAof | None],
        keep_events: int,
        late_watch_ms: int,
        watch: Watch = unwatched,
    ) -> None:
        self._redis = redis
        self._wait = wait
        self._keep_events = keep_events
        self.late_watch_ms = late_watch_ms
        self._budgets = Budgets(redis)
        self._watch = watch

    async def look(self, record: str, account: str, terms: dict[str, Any]) -> list[Any]:
        """The record, the lane's count, what hinders, how far the account has come, and now."""
        keys = [record, guard_key(account), unresolved_key(account)]
        values = [msgspec.json.encode(terms)]
        with self._watch("look"):
            answer = await attempt(lambda: run_script(self._redis, LOOK, keys, values), tries=2)
        return cast("list[Any]", answer)

    async def refuse(self, identity: Identity, owner: str) -> bytes:
        """Keep what others were asked for before now from being recorded; return the record."""
        keys = [record_key(*identity), refusal_key(*identity)]
        values = [owner, _KEEP_REFUSALS_MS]
        record = await attempt(lambda: run_script(self._redis, REFUSE, keys, values), tries=2)
        return cast("bytes", record)

    async def begin(
        self, placement: Placement, terms: dict[str, Any], claim: BudgetClaim | None
    ) -> list[Any]:
        """Run the script once, or as often as the budget of the claim stands in its way."""
        if claim is None:
            return await self._begin(placement, terms, None)
        answer: list[Any] = []

        async def write(budget: BudgetTexts) -> bytes | None:
            answer[:] = await self._begin(placement, terms, budget)
            return answer[1] if answer[0] == b"BUDGET" else None

        await self._budgets.update_by(claim.key, claim.change, write)
        return answer

    async def change(self, changing: Changing) -> list[Any]:
        """Replace a record, and settle what it claimed; raise `Claimed` and `Fenced`."""
        settle = settlement(changing.placement)
        if settle is None:
            return await self._change(changing, None)
        answer: list[Any] = []

        async def write(budget: BudgetTexts) -> bytes | None:
            answer[:] = await self._change(changing, budget)
            return answer[1] if answer[0] == b"BUDGET" else None

        with suppress(CorruptBudget):  # it leaves nothing to spend, but must hide no outcome
            await self._budgets.update_by(budget_key(changing.placement), settle, write)
            return answer
        return await self._change(changing, None)

    async def claim_external(self, account: str, order_id: str, leader: Leadership) -> bool:
        """Note that an order is nobody's here; False when it is a placement's. Raises `Fenced`."""
        keys = [order_key(account, order_id), leader_key(account)]
        values = [leader.owner, leader.epoch, _KEEP_MARKS_MS]
        noted = await attempt(
            lambda: run_script(self._redis, CLAIM_EXTERNAL, keys, values, wait=self._wait()),
            tries=2,
        )
        if noted is None:
            raise Fenced(account)
        return bool(noted)

    async def drop(self, placement: Placement) -> bool:
        """Forget a placement and all ways to it; False when its record has changed since."""
        account = placement.command.account
        keys = [
            record_key(*identity_of(placement)),
            id_key(placement.id),
            index_key(placement.principal, account),
            ended_key(account),
            given_up_key(account),
            order_key(account, _order_id(placement) or ""),
        ]
        values = [text_of(placement), position_of(placement)]
        return bool(await attempt(lambda: run_script(self._redis, DROP, keys, values), tries=2))

    async def _begin(
        self, placement: Placement, terms: dict[str, Any], budget: BudgetTexts | None
    ) -> list[Any]:
        account = placement.command.account
        keys = [
            record_key(*identity_of(placement)),
            id_key(placement.id),
            index_key(placement.principal, account),
            unresolved_key(account),
            ended_key(account),
            guard_key(account),
            events_key(account),
            budget_key(placement).name,
            refusal_key(*identity_of(placement)),
        ]
        values = [
            msgspec.json.encode({**terms, **self._common(placement, budget)}),
            text_of(placement),
            entry_text(placement),
            event_of(placement),
            *([] if budget is None else [budget.was, budget.now]),
        ]
        with self._watch("begin"):
            answer = await attempt(
                lambda: run_script(self._redis, BEGIN, keys, values, wait=self._wait())
            )
        return cast("list[Any]", answer)

    async def _change(self, changing: Changing, budget: BudgetTexts | None) -> list[Any]:
        placement = changing.placement
        account = placement.command.account
        keys = [
            record_key(*identity_of(placement)),
            id_key(placement.id),
            index_key(placement.principal, account),
            unresolved_key(account),
            ended_key(account),
            given_up_key(account),
            guard_key(account),
            events_key(account),
            leader_key(account),
            fills_key(account),
            budget_key(placement).name,
            order_key(account, _order_id(placement) or ""),
        ]
        values = [
            msgspec.json.encode(self._terms(changing, budget)),
            changing.was,
            text_of(placement),
            entry_text(placement) if placement.unresolved else b"",
            event_of(placement) if changing.tell else b"",
            *([] if budget is None else [budget.was, budget.now]),
        ]
        with self._watch("change"):
            answer = await attempt(
                lambda: run_script(self._redis, CHANGE, keys, values, wait=self._wait()), tries=2
            )
        if answer[0] == b"CLAIMED":
            raise Claimed
        if answer[0] == b"FENCED":
            raise Fenced(account)
        return cast("list[Any]", answer)

    def _terms(self, changing: Changing, budget: BudgetTexts | None) -> dict[str, Any]:
        placement = changing.placement
        terms = {
            **self._common(placement, budget),
            "state": placement.state,
            "ended": placement.state in _ENDED,
            "fills": sorted(changing.fills),
            "late_watch_ms": self.late_watch_ms,
            "keep_fills_ms": _KEEP_MARKS_MS,
        }
        if changing.only_lapsed:
            terms["lease_until"] = placement.lease_until
        if changing.leader is not None:
            terms["owner"] = changing.leader.owner
            terms["epoch"] = changing.leader.epoch
        if _order_id(placement) is not None:
            terms["order"] = "own" if changing.own else "found"
        return terms

    def _common(self, placement: Placement, budget: BudgetTexts | None) -> dict[str, Any]:
        return {
            "id": placement.id,
            "position": position_of(placement),
            "keep_events": self._keep_events,
            "claims": budget is not None,
            "keep_budget_ms": 0 if budget is None else budget.keep_ms,
        }


def budget_key(placement: Placement) -> BudgetKey:
    """The budget that a placement claims of."""
    return BudgetKey(placement.command.account, placement.principal, placement.rule)


def settlement(placement: Placement) -> Change | None:
    """What a placement's state does to the budget that it claimed of; None for nothing.

    What was accepted and may rest counts as open, and where nothing stands the claim is given back.
    What nobody knows keeps it. What turns out to be placed after it was given up counts again,
    whatever the limit is.
    """

    def accepted(budget: Budget) -> Budget:
        return budget.accepted(placement.id, _resting_id(placement))

    def released(budget: Budget) -> Budget:
        return budget.release(placement.id)

    def given_up(budget: Budget) -> Budget:
        return budget.give_up(placement.id)

    if not placement.claimed:
        return None
    if placement.state is _S.ACCEPTED:
        return accepted
    if placement.state is _S.NOT_PLACED:
        return given_up
    return released if placement.new_id_safe else None


def _order_id(placement: Placement) -> str | None:
    if placement.state is not _S.ACCEPTED or placement.order is None:
        return None
    return placement.order.order_id


def _resting_id(placement: Placement) -> str | None:
    order = placement.order
    return None if order is None or order.status.terminal else order.order_id
