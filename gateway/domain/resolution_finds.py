"""Verdicts that an order was placed after all. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.money import shortest
from gateway.domain.orders import Order, OrderStatus, OrderType, PlaceOrder
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution_case import FRAMES_LATE_MS, Case, Terms, Verdict
from gateway.domain.resolution_fills import NamedFill, only_choice, quantity_of, total_of
from gateway.domain.resolution_orders import KnownOrder, spends
from gateway.domain.resolution_reading import SLACK_MS, Reader, Reading, could_make

_ONE_MOMENT_MS = 1_000
"""Without a whole stream, fills are taken for one order if they lie no further apart."""


def found_by_order(
    placement: Placement, reading: Reading, reader: Reader, terms: Terms
) -> Verdict | None:
    """ACCEPTED, if one order has all its terms, is nobody's, and can be no other placement's.

    Orders placed while the exchange could still execute it come before those placed later. What of
    it is filled must be among the new fills: else it is an older one that was told late.
    """
    last = terms.over(placement) + SLACK_MS
    in_time = [each for each in reading.candidates if each.order.time <= last]
    found = in_time or [
        each for each in reading.candidates if terms.reach(placement, each.order.time)
    ]
    if len(found) != 1 or reader.holders(found[0], terms) != {placement.id}:
        return None
    if reading.fills is not None and _filled_more(found[0], reading.fills):
        return None
    return Verdict(
        placement=placement,
        state=PlacementState.ACCEPTED,
        evidence=f"{_told(found[0])}{_lateness(found[0].order.time, placement, terms)}",
        order=found[0].order,
    )


def _filled_more(known: KnownOrder, fills: Iterable[NamedFill]) -> bool:
    told = quantity_of(each.fill for each in fills)
    return known.filled is not None and known.filled > told


def found_by_fills(
    placement: Placement, reading: Reading, case: Case, terms: Terms
) -> Verdict | None:
    """ACCEPTED, if new fills are the whole order, nobody else's, and all that moved the balances.

    Part of an order proves nothing: somebody else's may have been smaller. Where the stream was
    not whole, orders may have come and gone unseen, so that the fills must be of one moment too,
    in which the exchange could execute the placement; and those of a stop order, which rests
    first, prove nothing.
    """
    if not reading.complete or reading.candidates or reading.unclear:
        return None
    chosen = _whole_order(reading, placement.command, case)
    if (
        chosen is None
        or not _could_be_its_own(chosen, placement, reading, terms)
        or _may_be_of_another(chosen, placement, case)
        or _too_soon(reading)
    ):
        return None
    order = _made_of([each.fill for each in chosen], placement.command)
    return Verdict(
        placement=placement,
        state=PlacementState.ACCEPTED,
        evidence=(
            f"{len(chosen)} new fill(s) of {_figure(order.filled_quantity)} for "
            f"{_figure(order.filled_total)} in all are the whole order, are no other order's, and "
            f"the balances moved by them{_lateness(order.time, placement, terms)}"
        ),
        order=order,
        claims=frozenset(each.name for each in chosen),
    )


def _whole_order(reading: Reading, command: PlaceOrder, case: Case) -> tuple[NamedFill, ...] | None:
    if not reading.fills or not reading.unexplained:
        return None
    chosen = only_choice(reading.fills, reading.unexplained)
    if chosen is None:
        return None
    fills = [each.fill for each in chosen]
    traded, total = quantity_of(fills), command.spec.quote_total
    if total is None:
        return chosen if traded == command.spec.quantity else None
    step = case.quantity_steps.get(command.symbol)
    if step is None or not spends(total, total_of(fills), traded, step):
        return None
    return chosen


def _could_be_its_own(
    chosen: Iterable[NamedFill], placement: Placement, reading: Reading, terms: Terms
) -> bool:
    times = [each.fill.time for each in chosen]
    if reading.unbroken:
        return terms.reach(placement, max(times))
    if placement.command.type is OrderType.STOP_LIMIT or max(times) - min(times) > _ONE_MOMENT_MS:
        return False
    # What only its quantity tells apart may as well be executed late.
    if placement.command.immediate:
        return terms.reach(placement, max(times))
    return max(times) <= terms.over(placement)


def _may_be_of_another(chosen: Iterable[NamedFill], placement: Placement, case: Case) -> bool:
    """What was given up is no rival of what is not: it would have to have been executed late."""
    others = [*case.unresolved, *case.sending]
    if placement.state is PlacementState.NOT_PLACED:
        others += case.given_up
    return any(
        could_make(each.fill, other)
        for each in chosen
        for other in others
        if other.id != placement.id
    )


def _too_soon(reading: Reading) -> bool:
    """Whether the stream may yet tell of orders that made the new fills: they show no ids."""
    newest = reading.newest or 0
    return reading.unbroken and reading.picture.read_at < newest + FRAMES_LATE_MS


def _made_of(fills: list[Fill], command: PlaceOrder) -> Order:
    return Order(
        order_id=None,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        status=OrderStatus.FILLED,
        time=min(fill.time for fill in fills),
        price=command.spec.price,
        quantity=command.spec.quantity,
        quote_total=command.spec.quote_total,
        stop_price=command.spec.stop_price,
        filled_quantity=quantity_of(fills),
        filled_total=total_of(fills),
    )


def _told(known: KnownOrder) -> str:
    order = known.order
    filled = "" if known.filled is None else f", {shortest(known.filled)} of it filled"
    return f"order {order.order_id} ({order.status}{filled}) has all its terms and is nobody else's"


def _lateness(time: int, placement: Placement, terms: Terms) -> str:
    """`time`: when the exchange executed it (ms)."""
    late = time - terms.over(placement)
    if late <= SLACK_MS:
        return ""
    return f"; the exchange executed it {late / 1000:g} s after its window and the guard"


def _figure(value: Decimal | None) -> str:
    return "?" if value is None else shortest(value)
