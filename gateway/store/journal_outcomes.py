"""Which record follows which. Pure."""

from dataclasses import replace

from gateway.domain.errors import NotRecorded
from gateway.domain.placements import (
    FOLLOWING,
    Answer,
    Answered,
    Placement,
    PlacementState,
    Rejection,
)
from gateway.domain.resolution import Verdict

_S = PlacementState
_OPEN_TO_EVIDENCE = frozenset({_S.UNKNOWN, _S.IN_DOUBT, _S.NOT_PLACED})
_PROVEN = frozenset({_S.ACCEPTED, _S.REJECTED, _S.NOT_SENT})
_ANSWERS = {
    _S.ACCEPTED: Answer.ACCEPTED,
    _S.REJECTED: Answer.REFUSED,
    _S.NOT_SENT: Answer.NOT_SENT,
}
_LOST = "the process that sent it never said what became of it"


def as_begun(outcome: Placement) -> Placement:
    """The record as it was begun, if its owner is the only one who has changed it."""
    return replace(
        outcome,
        state=_S.SENDING,
        updated_at=outcome.created_at,
        order=None,
        rejection=None,
        answered=None,
        evidence=None,
        resolved_by=None,
    )


def following(outcome: Placement, standing: Placement | None) -> Placement | None:
    """What to record when an owner brings its outcome; None when it changes nothing.

    Once another took the placement over, what was answered is evidence at most.
    """
    if standing is None:
        return as_kept(outcome)
    if standing.id != outcome.id:
        return None
    if standing.epoch != outcome.epoch:
        return _with_evidence(outcome, standing)
    if standing.state is _S.SENDING and standing.owner == outcome.owner:
        timed = replace(outcome, begun_at=standing.begun_at, lease_until=standing.lease_until)
        return as_kept(timed)
    return None


def as_kept(placement: Placement) -> Placement:
    """The record without its baseline, once nothing is to be told from that any more.

    By far the most of a record is the baseline of a busy account.
    """
    return replace(placement, baseline=None) if placement.state in _PROVEN else placement


def withdrawn(intent: Placement) -> Placement:
    """The outcome of an intent of which nobody knows whether it was recorded: it is not sent."""
    reason = NotRecorded()
    rejection = Rejection(code=reason.code, message=str(reason), retryable=reason.retryable)
    return replace(intent, state=_S.NOT_SENT, rejection=rejection)


def was_withdrawn(placement: Placement) -> bool:
    """Whether a new intent takes its place (as `scripts/begin.lua` does it)."""
    rejection = placement.rejection
    return placement.state is _S.NOT_SENT and (
        rejection is not None and rejection.code == NotRecorded.code
    )


def taken_over(standing: Placement, now: int) -> Placement:
    """The record of an intent whose lease has lapsed, fenced off from its owner."""
    return replace(
        standing,
        state=_S.UNKNOWN,
        epoch=standing.epoch + 1,
        updated_at=now,
        evidence=_LOST,
    )


def resolved(verdict: Verdict, now: int, by: str | None, reason: str | None) -> Placement | None:
    """The record by a verdict; None when it may not follow. A person's reason is evidence."""
    standing = verdict.placement
    if verdict.state not in FOLLOWING[standing.state]:
        return None
    found = replace(
        standing,
        state=verdict.state,
        updated_at=now,
        order=verdict.order,
        rejection=verdict.rejection,
        evidence="; ".join(dict.fromkeys(filter(None, (verdict.evidence, reason)))),
        resolved_by=by,
    )
    return as_kept(found)


def _with_evidence(outcome: Placement, standing: Placement) -> Placement | None:
    told = _answered(outcome)
    if told is None or standing.answered is not None or standing.state not in _OPEN_TO_EVIDENCE:
        return None
    return replace(standing, answered=told)


def _answered(outcome: Placement) -> Answered | None:
    answer = _ANSWERS.get(outcome.state)
    if answer is None:
        return outcome.answered
    code = None if outcome.rejection is None else outcome.rejection.exchange_code
    return Answered(answer, outcome.updated_at, outcome.order, code)
