"""Finds out what became of the orders whose outcome nobody was told."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from gateway.domain.errors import GatewayError, NotLookedUp
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.orders import shown_id
from gateway.domain.placements import Placement, PlacementState, Rejection
from gateway.domain.resolution import Terms, Verdict, verdicts
from gateway.exchange import ERROR_CODES
from gateway.services.account_streams import AccountStreams
from gateway.services.album import Album
from gateway.services.audit import AuditTrail
from gateway.services.cases import Cases, Docket
from gateway.services.market_data import MarketData
from gateway.services.order_audit import order_resolved
from gateway.services.pictures import Pictures
from gateway.store.journal import OrderJournal
from gateway.store.journal_rules import Claimed, Moved
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_BUSY_S = 0.2
_IDLE_S = 1.0
_PATIENCE = 10
"""Between two judgements of what can wait lie so many times what the first of them took."""


@dataclass(slots=True)
class _Desk:
    """What a leader remembers of an account: what was judged last.

    Of what can wait, `patient`, nothing is judged before `again_at`. `untold`: the verdicts of
    which nobody knows whether they were written, for the answer was lost.
    """

    leadership: Leadership
    album: Album
    judged: object = None
    patient: object = None
    again_at: float = 0.0
    untold: list[Verdict] = field(default_factory=list)

    @property
    def account(self) -> str:
        return self.leadership.account


class Resolver:
    """Judges an account's unknown outcomes by what can be seen of it, for as long as it is led.

    `now` is the time in ms, `exchange_now` the exchange's at the most.
    `on_resolved` is told each placement that got out of UNKNOWN or IN_DOUBT or became IN_DOUBT, and
    how many seconds after it was signed; `on_late` each that was given up and is there after all.
    `on_docket` is told at each look which of an account's placements are SENDING, UNKNOWN and
    IN_DOUBT, and of none when the account is led no more.
    """

    def __init__(  # noqa: PLR0913 - what is known comes from many parts
        self,
        *,
        journal: OrderJournal,
        pictures: Pictures,
        streams: AccountStreams,
        market_data: MarketData,
        terms: Callable[[], Terms],
        now: Callable[[], int],
        exchange_now: Callable[[], int | None],
        audit: AuditTrail,
        on_resolved: Callable[[Placement, float], None],
        on_late: Callable[[Placement], None],
        on_docket: Callable[[str, Sequence[Placement]], None],
    ) -> None:
        self._journal = journal
        self._pictures = pictures
        self._streams = streams
        self._cases = Cases(
            journal=journal, market_data=market_data, now=now, exchange_now=exchange_now
        )
        self._terms = terms
        self._exchange_now = exchange_now
        self._audit = audit
        self._on_resolved = on_resolved
        self._on_late = on_late
        self._on_docket = on_docket

    async def run(self, leadership: Leadership) -> None:
        """Look again and again; raises `UnknownAccount` when there is no key of the account."""
        stream = self._streams.of(leadership.account)
        desk = _Desk(leadership, Album(leadership.account, stream, self._pictures))
        try:
            with stream.held():
                await self._look_on(desk)
        finally:
            self._on_docket(desk.account, ())

    async def _look_on(self, desk: _Desk) -> None:
        while True:
            busy = True
            # Redis or the exchange is away, which others tell of; or another process leads.
            with suppress(GatewayError, StoreUnavailable, Fenced):
                busy = await self._look(desk)
            await asyncio.sleep(_BUSY_S if busy else _IDLE_S)

    async def _look(self, desk: _Desk) -> bool:
        """Do what can be done now; return whether more is to be done soon."""
        await self._tell_late(desk)
        docket = await self._cases.docket(desk.account)
        self._on_docket(desk.account, docket.unresolved)
        await self._lapse(docket.sending)
        if not docket.judged:
            desk.album.clear()
            return bool(docket.sending)
        now, terms = self._exchange_now(), self._terms()
        if now is None:
            return True
        if await desk.album.refresh(now, docket.judged, terms):
            # What was placed since the first look is to be known to whoever sees the picture.
            docket = await self._cases.docket(desk.account)
        if docket.judged:
            await self._judge(desk, docket, terms, now)
        return bool(docket.sending or docket.unknown)

    async def _lapse(self, sending: Sequence[Placement]) -> None:
        """Whose sender has lost its lease becomes UNKNOWN.

        At the first look: whoever led before may not have led for long enough to look twice.
        """
        for placement in sending:
            lapsed = await self._journal.lapse(placement)
            if lapsed is not None:
                _log.warning("order.lapsed", **_names(lapsed))

    async def _judge(self, desk: _Desk, docket: Docket, terms: Terms, now: int) -> None:
        """Judge if there is something new to judge by: a case of a busy account takes its time.

        What nobody waits for may reach far back, into a long history: it must not keep what is
        unknown waiting, and so takes a small part of the time.
        """
        clock = asyncio.get_running_loop().time
        shut = desk.account in self._journal.quarantines
        question = (_standing(docket, terms, now), desk.album.pictures[-1:], terms, shut)
        unknown, patient = docket.unknown, docket.patient
        asked = unknown and question != desk.judged
        if asked and await self._judge_these(desk, docket, unknown, terms):
            desk.judged = question
        began = clock()
        if patient and question != desk.patient and began >= desk.again_at:
            if await self._judge_these(desk, docket, patient, terms):
                desk.patient = question
            desk.again_at = clock() + _PATIENCE * (clock() - began)

    async def _judge_these(
        self, desk: _Desk, docket: Docket, judged: Sequence[Placement], terms: Terms
    ) -> bool:
        """Judge some of a docket; False when nothing can be said for want of the time."""
        case = await self._cases.case(desk.account, docket, desk.album.pictures, judged)
        if case is None:
            return False
        # In a thread, for the lease must be renewed meanwhile, and everybody else be served.
        ids = frozenset(each.id for each in judged)
        for verdict in await asyncio.to_thread(verdicts, case, terms, ids):
            await self._pass(desk, verdict)
        return True

    async def _pass(self, desk: _Desk, verdict: Verdict) -> None:
        before = verdict.placement
        if verdict.state is PlacementState.REJECTED and verdict.rejection is None:
            verdict = replace(verdict, rejection=_rejection_of(before))
        try:
            placement = await self._journal.resolve(verdict, leader=desk.leadership)
        except (Claimed, Moved) as overtaken:
            _log.info("order.not_resolved", **_names(before), reason=type(overtaken).__name__)
            return
        except NotLookedUp:
            desk.untold.append(verdict)
            raise
        self._tell(before, placement)

    async def _tell_late(self, desk: _Desk) -> None:
        """What was written although its answer was lost is told all the same."""
        while desk.untold:
            verdict = desk.untold[0]
            placement = await self._journal.get(verdict.placement.id)
            if placement is not None and placement.state is verdict.state:
                self._tell(verdict.placement, placement)
            desk.untold.pop(0)

    def _tell(self, before: Placement, placement: Placement) -> None:
        now = self._exchange_now() or placement.signed_at
        seconds = max(0, now - placement.signed_at) / 1000
        late = before.state is PlacementState.NOT_PLACED
        doubtful = placement.state is PlacementState.IN_DOUBT
        log = _log.critical if late else _log.error if doubtful else _log.info
        log(
            "order.late" if late else "order.in_doubt" if doubtful else "order.resolved",
            **_names(placement),
            state=placement.state.value,
            order_id=placement.order and placement.order.order_id,
            evidence=placement.evidence,
            seconds=seconds,
        )
        self._audit.note(order_resolved(placement))
        if late:
            self._on_late(placement)
        else:
            self._on_resolved(placement, seconds)


def _standing(docket: Docket, terms: Terms, now: int) -> object:
    """What a judgement says of a docket can change with this alone, or with a new picture."""
    overdue = [each.id for each in docket.unknown if now > terms.over(each) + terms.within]
    placements = (*docket.judged, *docket.sending)
    return [(each.id, each.state, each.answered) for each in placements], overdue


def _names(placement: Placement) -> dict[str, object]:
    command = placement.command
    return {
        "placement": placement.id,
        "principal": placement.principal,
        "account": command.account,
        "client_order_id": shown_id(command.client_order_id),
        "symbol": command.symbol,
        "side": command.side.value,
        "type": command.type.value,
    }


def _rejection_of(placement: Placement) -> Rejection | None:
    """The exchange's answer, which came too late for the order's sender."""
    answered = placement.answered
    code = None if answered is None else ERROR_CODES.get(answered.exchange_code or "")
    if code is None:
        return None
    message = f"{code.meaning}: {code.advice}"
    return Rejection(code.name, message, exchange_code=code.code, retryable=code.retryable)
