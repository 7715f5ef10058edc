"""What keeps an outcome from being known, in words for whoever has to judge it. Pure."""

from collections.abc import Iterator

from gateway.domain.money import shortest
from gateway.domain.placements import Answer, Placement
from gateway.domain.resolution_case import Case, Terms
from gateway.domain.resolution_fills import quantity_of
from gateway.domain.resolution_reading import Reading

_NAMED = 5


def doubts(placement: Placement, reading: Reading | None, case: Case, terms: Terms) -> str:
    """Why nothing is certain by the newest `reading`, which is None if there is none."""
    waited = (terms.over(placement) - placement.signed_at + terms.within) / 1000
    told = [*_by_answer(placement, case)]
    if reading is None:
        told.append("the account could not be read")
    else:
        told += [*_by_orders(reading), *_by_fills(reading), *_by_silence(reading, terms)]
    told = told or ["there were no two complete readings after its window and the guard"]
    return f"nothing is certain after {waited:g} s: {'; '.join(told)}"


def _by_answer(placement: Placement, case: Case) -> Iterator[str]:
    if case.quarantined:
        yield "the journal may have lost records of the account, which is quarantined"
    if placement.baseline is None:
        yield "nothing is on record of what stood before it"
    answered = placement.answered
    if answered is None:
        return
    if answered.answer is Answer.REFUSED:
        yield f"the exchange refused it with {answered.exchange_code}"
    elif answered.order is not None and answered.order.order_id in case.claimed_orders:
        order_id = answered.order.order_id
        yield f"the exchange answered that it is order {order_id}, which is on record as another's"


def _by_orders(reading: Reading) -> Iterator[str]:
    for told, orders in (
        ("have its terms, but it is not certain that they are its own", reading.candidates),
        ("may have its terms", reading.unclear),
    ):
        if orders:
            named = ", ".join(str(each.order.order_id) for each in orders[:_NAMED])
            more = f" and {len(orders) - _NAMED} more" if len(orders) > _NAMED else ""
            yield f"order(s) {named}{more} {told}"


def _by_fills(reading: Reading) -> Iterator[str]:
    if reading.fills is None:
        yield "the exchange's list of fills does not reach back to before it"
        return
    if reading.fills and reading.unexplained != 0:
        count, traded = len(reading.fills), quantity_of(each.fill for each in reading.fills)
        yield f"{count} new fill(s) of {shortest(traded)} in all may be its own"
    if reading.unexplained is None:
        yield "what other orders of its market and side have filled since is not known"
    if not reading.balances_agree:
        yield "the balances moved by more than the new fills"


def _by_silence(reading: Reading, terms: Terms) -> Iterator[str]:
    if not reading.unbroken:
        yield "the account's stream was interrupted after it was sent, or began after"
    if not terms.fenced:
        yield "the exchange was not seen to enforce the window"
