"""What became of orders whose outcome nobody was told, by what can be seen of the account.

Pure: a `Case` is everything that is known, `verdicts` what follows from it. What is found is what
cannot be otherwise, as long as nobody else places an order on the account with the very terms of
one that is being looked for:

1. an answer that came late;
2. an order with all its terms that is nobody else's;
3. fills that are the whole of it, that no other order accounts for, and that moved the balances;
4. silence, but only after the exchange can no longer execute it, twice, with nothing missing;
5. else, after a time, IN_DOUBT: a person judges, and whatever turns up later is still looked at.

While the journal may have lost records of the account, what is seen there proves nothing (2 to 4):
an order that is nobody's may be one whose record was lost.

The one exception: while the account's stream was interrupted orders come and go unseen, and fills
name no order. What others traded then is taken for an order (3) if it is of its market, side and
type, exactly its quantity, at its price or better, all within one second, and (of a limit order)
before its window and guard were over. It never is for a stop order, which rests first.
"""

from collections.abc import Collection, Iterator

from gateway.domain.orders import Order
from gateway.domain.placements import Answer, Placement, PlacementState
from gateway.domain.resolution_case import Case, Picture, Terms, Verdict
from gateway.domain.resolution_doubts import doubts
from gateway.domain.resolution_fills import fill_names
from gateway.domain.resolution_finds import found_by_fills, found_by_order
from gateway.domain.resolution_orders import KnownOrder, Source, known_orders, matches
from gateway.domain.resolution_reading import Reader, Reading, may_be_of, without_history

__all__ = [
    "Case",
    "Picture",
    "Terms",
    "Verdict",
    "fill_names",
    "unexplained",
    "verdicts",
    "without_history",
]

_S = PlacementState
_TO_RECONCILE = "10041"
"""'Wash trading cancelled' (heading 'Error Codes'): part of the order may have traded before."""

_NOT_EXTERNAL_MS = 60_000
"""An order with a placement's terms, which the exchange says is older by less than this, may be it:
what is EXTERNAL once is nobody's ever after, and the parts of the exchange may differ on the time.
"""


def verdicts(
    case: Case, terms: Terms, judged: Collection[str] | None = None
) -> tuple[Verdict, ...]:
    """What is found of the placements of a case; those of which nothing is found have none.

    `judged`: the ids of those that are asked about; None: all. Of the others nothing is said.

    One that was given up is at most found to be ACCEPTED, late. One that is IN_DOUBT already is
    found to be something else or nothing. No order and no fill is in two verdicts.
    """
    judge = _Judge(case, terms)
    asked = (*case.unresolved, *case.given_up)
    found = (judge.of(each) for each in asked if judged is None or each.id in judged)
    return tuple(verdict for verdict in found if verdict is not None)


def unexplained(case: Case, orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """Those of the orders that are nobody's, and that no placement of the case may be: EXTERNAL."""
    accepted = [each.order for each in case.accepted if each.order is not None]
    ours = [each for each in known_orders(orders, accepted=accepted) if _may_be_ours(each, case)]
    ids = frozenset[str]().union(*(each.ids for each in ours))
    unnamed = {each.order for each in ours if not each.ids}
    return tuple(each for each in orders if each.order_id not in ids and each not in unnamed)


def _may_be_ours(known: KnownOrder, case: Case) -> bool:
    if Source.ACCEPTED in known.sources or known.ids & case.claimed_orders:
        return True
    return any(
        may_be_of(known, each, slack=_NOT_EXTERNAL_MS)
        and matches(known.order, each.command, case.quantity_steps) is not False
        for each in case.intents
    )


class _Judge:
    def __init__(self, case: Case, terms: Terms) -> None:
        self._case = case
        self._terms = terms
        self._readers = [Reader(case, picture) for picture in case.pictures]

    def of(self, placement: Placement) -> Verdict | None:
        verdict = self._by_answer(placement) or self._by_sight(placement)
        if verdict is not None or placement.state is not _S.UNKNOWN:
            return verdict
        return self._in_doubt(placement)

    def _by_answer(self, placement: Placement) -> Verdict | None:
        answered, given_up = placement.answered, placement.state is _S.NOT_PLACED
        if answered is None:
            return None
        if answered.answer is Answer.ACCEPTED:
            order = answered.order
            if order is None or order.order_id in self._case.claimed_orders:
                return None
            evidence = "the exchange answered, too late for its sender, that it placed it"
            return Verdict(placement=placement, state=_S.ACCEPTED, evidence=evidence, order=order)
        if given_up or _to_reconcile(placement):
            return None
        if answered.answer is Answer.NOT_SENT:
            evidence = "its sender found out, too late to say so, that nothing had left"
            return Verdict(placement=placement, state=_S.NOT_PLACED, evidence=evidence)
        evidence = f"the exchange answered, too late for its sender, {answered.exchange_code}"
        return _refused(placement, evidence)

    def _by_sight(self, placement: Placement) -> Verdict | None:
        if self._case.quarantined or (reading := self._newest(placement)) is None:
            return None
        return (
            found_by_order(placement, reading, self._readers[-1], self._terms)
            or found_by_fills(placement, reading, self._case, self._terms)
            or self._by_silence(placement)
        )

    def _newest(self, placement: Placement) -> Reading | None:
        if not self._readers or placement.baseline is None:
            return None
        return self._readers[-1].read(placement, placement.baseline)

    def _by_silence(self, placement: Placement) -> Verdict | None:
        """Nothing is there, twice, after the exchange can no longer execute it.

        Of what it refused only what traded before the refusal is looked for, and fills tell that.
        """
        refused = _to_reconcile(placement)
        told = placement.answered is not None and placement.answered.answer is Answer.ACCEPTED
        if told or placement.state is _S.NOT_PLACED or not (refused or self._terms.fenced):
            return None
        readings = [*self._after_all(placement)]
        silent = [each for each in readings if each.empty and (refused or each.unbroken)]
        if not silent or silent[-1] is not readings[-1] or any(map(_suspects, readings)):
            return None
        first, last = silent[0].picture.read_at, silent[-1].picture.read_at
        if last - first < self._terms.spacing:
            return None
        evidence = (
            f"two readings, {(last - first) / 1000:g} s apart and after its window and the guard, "
            "show no such order and no such fill"
        )
        if refused:
            return _refused(placement, f"{_TO_RECONCILE}, and {evidence}")
        evidence += ", and the account's stream was whole all the while"
        return Verdict(placement=placement, state=_S.NOT_PLACED, evidence=evidence)

    def _after_all(self, placement: Placement) -> Iterator[Reading]:
        for reader in self._readers:
            late = reader.picture.read_at > self._terms.over(placement)
            if late and placement.baseline is not None:
                yield reader.read(placement, placement.baseline)

    def _in_doubt(self, placement: Placement) -> Verdict | None:
        if self._case.now <= self._terms.over(placement) + self._terms.within:
            return None
        evidence = doubts(placement, self._newest(placement), self._case, self._terms)
        if placement.evidence is not None:
            evidence = f"{placement.evidence}; {evidence}"
        return Verdict(placement=placement, state=_S.IN_DOUBT, evidence=evidence)


def _to_reconcile(placement: Placement) -> bool:
    answered = placement.answered
    return answered is not None and answered.exchange_code == _TO_RECONCILE


def _suspects(reading: Reading) -> bool:
    return bool(reading.candidates or reading.unclear)


def _refused(placement: Placement, evidence: str) -> Verdict:
    """What was IN_DOUBT can only be said not to have been placed."""
    state = _S.NOT_PLACED if placement.state is _S.IN_DOUBT else _S.REJECTED
    return Verdict(placement=placement, state=state, evidence=evidence)
