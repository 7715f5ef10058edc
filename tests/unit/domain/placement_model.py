"""What happens to placements between apps, a gateway and an exchange, in virtual time.

The journal is a dict here: what it must refuse it refuses, in the simplest way. A sender dies by
never bringing its answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import TypeAlias

from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, PlaceOrder
from gateway.domain.placements import (
    FOLLOWING,
    UNRESOLVED,
    Answer,
    Answered,
    Baseline,
    OpenOrder,
    Placement,
    PlacementState,
)
from gateway.domain.resolution import Case, Picture, Terms, Verdict, verdicts, without_history
from tests.unit.domain.model_exchange import MARKETS, STEP, ModelExchange, Truth

S = PlacementState
WINDOW, GUARD, SPACING, WITHIN, LEASE = 1_000, 1_000, 300, 3_000, 2_000
LATE_WATCH = 10_000
_KEPT_PICTURES = 8


@dataclass(frozen=True)
class Fate:
    """What becomes of the one request of an order; delays in ms.

    It is `lost`, or arrives, is executed when the exchange gets to it, and is answered. Of an order
    that the exchange calls `washed` what traded stands. The answer comes `back` after so long, or
    never; its sender waits for it so long as it has `patience`. `share` in fourths is traded at
    once, at `price`.
    """

    arrives: int
    executes: int
    back: int | None
    patience: int
    lost: bool
    washed: bool
    share: int
    price: Decimal


@dataclass(frozen=True)
class Arrives:
    placement_id: str


@dataclass(frozen=True)
class Executes:
    placement_id: str


@dataclass(frozen=True)
class GivesUp:
    placement_id: str


@dataclass(frozen=True)
class IsAnswered:
    placement_id: str
    answered: Answered


Event: TypeAlias = Arrives | Executes | GivesUp | IsAnswered


class PlacementModel:
    """One account; `lag`: how far the gateway's idea of the exchange's time is behind (ms)."""

    def __init__(self, *, stream_has_own_ids: bool, lag: int, fenced: bool) -> None:
        self.exchange = ModelExchange(stream_has_own_ids=stream_has_own_ids)
        self.terms = Terms(
            guard=GUARD, spacing=SPACING, within=WITHIN, late_watch=LATE_WATCH, fenced=fenced
        )
        self.journal: dict[str, Placement] = {}
        self.orders_of: dict[str, str] = {}
        self.claimed_fills: dict[str, str] = {}
        self.pictures: list[Picture] = []
        self._lag = lag
        self._events: list[tuple[int, int, Event]] = []
        self._fates: dict[str, Fate] = {}
        self._counter = 0

    @property
    def clock(self) -> int:
        """The exchange's time as the gateway knows it: never ahead of it."""
        return self.exchange.now - self._lag

    def place(self, symbol: str, side: OrderSide, spec: OrderSpec, fate: Fate) -> None:
        """An app places an order, unless the journal refuses it."""
        command = PlaceOrder("main", f"c{len(self.journal)}", symbol, side, spec)
        if self._refuses(command):
            return
        placement = self._begun(command)
        self.journal[placement.id] = placement
        self._fates[placement.id] = fate
        self._later(fate.patience, GivesUp(placement.id))
        if not fate.lost:
            self._later(fate.arrives, Arrives(placement.id))

    def pass_time(self, ms: int) -> None:
        """Let everything happen that is due."""
        until = self.exchange.now + ms
        while self._events and self._events[0][0] <= until:
            at, _, event = heappop(self._events)
            self.exchange.now = max(self.exchange.now, at)
            self._happen(event)
        self.exchange.now = until

    def lapse(self) -> None:
        """Whose lease is over becomes UNKNOWN, and is its sender's no more."""
        for placement in list(self.journal.values()):
            if placement.state is S.SENDING and placement.lease_until < self.exchange.now:
                self._become(replace(placement, epoch=placement.epoch + 1), S.UNKNOWN)

    def judge(self) -> tuple[Verdict, ...]:
        """Take a picture, and record what is found."""
        self._take_picture()
        case = self.case()
        found = verdicts(case, self.terms)
        judged = (*case.unresolved, *case.given_up)
        if judged:  # what ended before any of it mattered may be left out
            pictures = tuple(without_history(each, judged) for each in case.pictures)
            assert verdicts(replace(case, pictures=pictures), self.terms) == found
        for verdict in found:
            self._record(verdict)
        return found

    def case(self) -> Case:
        """All that the leader knows now."""
        return Case(
            now=self.clock,
            unresolved=(*self._in_state(S.UNKNOWN), *self._in_state(S.IN_DOUBT)),
            sending=tuple(self._in_state(S.SENDING)),
            given_up=tuple(self._in_state(S.NOT_PLACED)),
            accepted=tuple(self._in_state(S.ACCEPTED)),
            claimed_orders=frozenset(self.orders_of),
            claimed_fills=frozenset(self.claimed_fills),
            markets=MARKETS,
            quantity_steps=dict.fromkeys(MARKETS, STEP),
            pictures=tuple(self.pictures),
        )

    def truth_of(self, placement_id: str) -> Truth | None:
        """The order that a placement's request really became."""
        found = [each for each in self.exchange.truths.values() if each.placer == placement_id]
        assert len(found) <= 1
        return found[0] if found else None

    def _in_state(self, state: PlacementState) -> Iterable[Placement]:
        return (each for each in self.journal.values() if each.state is state)

    def _later(self, delay: int, event: Event) -> None:
        self._counter += 1
        heappush(self._events, (self.exchange.now + delay, self._counter, event))

    def _refuses(self, command: PlaceOrder) -> bool:
        unresolved = [each for each in self.journal.values() if each.state in UNRESOLVED]
        if any(each.command.canonical() == command.canonical() for each in unresolved):
            return True
        return command.immediate and any(
            each.state is not S.SENDING or each.command.immediate
            for each in unresolved
            if each.command.lane == command.lane
        )

    def _begun(self, command: PlaceOrder) -> Placement:
        return Placement(
            id=f"p{len(self.journal)}",
            principal="app",
            command=command,
            state=S.SENDING,
            created_at=self.clock,
            updated_at=self.clock,
            rule="trade",
            signed_at=self.clock,
            window=WINDOW,
            digest="",
            lease_until=self.exchange.now + LEASE,
            baseline=self._baseline(command),
        )

    def _baseline(self, command: PlaceOrder) -> Baseline:
        market = MARKETS[command.symbol]
        return Baseline(
            taken_at=self.clock,
            stream_since=self.exchange.stream_since,
            orders=tuple(
                OpenOrder(each.order_id or "", each.filled_quantity or Decimal(0))
                for each in self.exchange.open_orders()
                if (each.symbol, each.side) == (command.symbol, command.side)
            ),
            fills=self.exchange.listed_fills(),
            totals={
                asset: self.exchange.totals[asset]
                for asset in (market.base_asset, market.quote_asset)
            },
        )

    def _happen(self, event: Event) -> None:
        match event:
            case Arrives(placement_id):
                self._arrive(self.journal[placement_id])
            case Executes(placement_id):
                self._execute(self.journal[placement_id])
            case GivesUp(placement_id):
                self._give_up(self.journal[placement_id])
            case IsAnswered(placement_id, answered):
                self._take_answer(replace(self.journal[placement_id], answered=answered))

    def _arrive(self, placement: Placement) -> None:
        left = placement.signed_at + WINDOW - self.exchange.now
        if left < 0:
            self._answer(placement, Answered(Answer.REFUSED, 0, exchange_code="20004"))
        else:
            delay = min(self._fates[placement.id].executes, left + GUARD)
            self._later(delay, Executes(placement.id))

    def _execute(self, placement: Placement) -> None:
        command, fate = placement.command, self._fates[placement.id]
        if fate.washed and not fate.share:
            self._answer(placement, Answered(Answer.REFUSED, 0, exchange_code="10041"))
            return
        truth = self.exchange.place(
            placement.id, command.symbol, command.side, command.spec, fate.price, fate.share
        )
        if fate.washed:
            self.exchange.cancel(truth)
            self._answer(placement, Answered(Answer.REFUSED, 0, exchange_code="10041"))
            return
        self._answer(placement, Answered(Answer.ACCEPTED, 0, order=self.exchange.told(truth)))

    def _answer(self, placement: Placement, answered: Answered) -> None:
        back = self._fates[placement.id].back
        if back is not None:
            self._later(back, IsAnswered(placement.id, answered))

    def _give_up(self, placement: Placement) -> None:
        if placement.state is S.SENDING:
            self._become(placement, S.UNKNOWN)

    def _take_answer(self, placement: Placement) -> None:
        """What comes when the sender has lost the placement is evidence."""
        answered = placement.answered
        assert answered is not None
        if placement.state is not S.SENDING:
            self.journal[placement.id] = placement
        elif answered.order is not None:
            self._claim_order(answered.order.order_id, placement)
            self._become(replace(placement, order=answered.order), S.ACCEPTED)
        else:
            washed = answered.exchange_code == "10041"
            self._become(placement, S.UNKNOWN if washed else S.REJECTED)

    def _record(self, verdict: Verdict) -> None:
        placement = verdict.placement
        if verdict.order is not None:
            self._claim_order(verdict.order.order_id, placement)
        for name in verdict.claims:
            assert self.claimed_fills.setdefault(name, placement.id) == placement.id
        told = replace(placement, order=verdict.order, evidence=verdict.evidence)
        self._become(told, verdict.state)

    def _claim_order(self, order_id: str | None, placement: Placement) -> None:
        if order_id is not None:
            assert self.orders_of.setdefault(order_id, placement.id) == placement.id

    def _become(self, placement: Placement, state: PlacementState) -> None:
        assert state in FOLLOWING[self.journal[placement.id].state]
        self.journal[placement.id] = replace(placement, state=state, updated_at=self.clock)

    def _take_picture(self) -> None:
        exchange = self.exchange
        picture = Picture(
            read_at=self.clock,
            orders=exchange.open_orders(),
            fills=exchange.listed_fills(),
            totals=dict(exchange.totals),
            ended=exchange.ended(),
            stream_since=exchange.stream_since,
        )
        self.pictures = [*self.pictures, picture][-_KEPT_PICTURES:]
