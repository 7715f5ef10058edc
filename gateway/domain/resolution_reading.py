"""A placement without an outcome, held against one picture of its account. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.market import OrderSide
from gateway.domain.money import exact_sum
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import Baseline, Placement
from gateway.domain.resolution_case import FRAMES_LATE_MS, Case, Picture, Terms
from gateway.domain.resolution_fills import (
    NamedFill,
    balances_agree,
    late_fills,
    made_up_by,
    new_fills,
    quantity_of,
    total_of,
)
from gateway.domain.resolution_orders import KnownOrder, Source, known_orders, matches

SLACK_MS = 1_000
"""How far two moments may be out of order that the exchange and this gateway tell."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture shows of a placement.

    `candidates` are the orders with its terms that are nobody's, `unclear` those that may have
    them, or have them and an earlier time though they were not open before. `fills` are the new
    ones that could be its own; of the new ones of its lane and type `unexplained` is the quantity
    that no other order accounts for, and `newest` the time of the last (ms). `fills` is None where
    some may be missing, and `unexplained` where that cannot be known. `stray`: a new fill has all
    but the time of one of its own. `balances_agree`: the new fills are all that moved the balances.
    `unbroken`: the stream was whole since before the baseline.
    """

    picture: Picture
    candidates: tuple[KnownOrder, ...]
    unclear: tuple[KnownOrder, ...]
    fills: tuple[NamedFill, ...] | None
    unexplained: Decimal | None
    newest: int | None
    stray: bool
    balances_agree: bool
    unbroken: bool

    @property
    def complete(self) -> bool:
        """Whether the lists reach back to the baseline, and nothing else moved the balances."""
        return self.fills is not None and self.balances_agree

    @property
    def empty(self) -> bool:
        """Whether nothing is there that could be the placement's."""
        if not self.complete or self.candidates or self.unclear:
            return False
        return self.unexplained == 0 or not (self.fills or self.stray)


class Reader:
    """Holds the placements of a case against one of its pictures."""

    def __init__(self, case: Case, picture: Picture) -> None:
        self.picture = picture
        self._case = case
        self._accepted = [each.order for each in case.accepted if each.order is not None]
        self._known = known_orders(
            picture.orders, picture.ended, self._accepted, fills=picture.fills
        )

    def read(self, placement: Placement, baseline: Baseline) -> Reading:
        """What the picture shows of a placement, in the light of what was there before it."""
        told = [*self._alike(placement, baseline)]
        new = new_fills(baseline.fills, self.picture.fills)
        free = [each for each in new or () if each.name not in self._case.claimed_fills]
        alike = [each for each in free if has_terms(each.fill, placement.command)]
        own = tuple(each for each in alike if could_make(each.fill, placement))
        lane = [each.fill for each in new or () if is_like(each.fill, placement.command)]
        return Reading(
            picture=self.picture,
            candidates=tuple(each for each, same in told if same),
            unclear=tuple(each for each, same in told if same is None),
            fills=None if new is None else own,
            unexplained=(
                None if new is None else self._unexplained(placement, baseline, lane, alike)
            ),
            newest=max((each.time for each in lane), default=None),
            stray=len(alike) > len(own),
            balances_agree=new is not None
            and balances_agree(
                baseline,
                (each.fill for each in new),
                self.picture.totals,
                self._case.markets,
            ),
            unbroken=self._unbroken(baseline),
        )

    def holders(self, known: KnownOrder, terms: Terms) -> frozenset[str]:
        """The ids of the placements that an order may be of.

        While there is one that it may be of in time, it is not one that the exchange executed late.
        """
        steps = self._case.quantity_steps
        possible = [
            each
            for each in self._case.intents
            if may_be_of(known, each)
            and terms.reach(each, known.order.time)
            and matches(known.order, each.command, steps) is not False
        ]
        in_time = [each for each in possible if known.order.time <= terms.over(each) + SLACK_MS]
        return frozenset(each.id for each in in_time or possible)

    def _taken(self, known: KnownOrder) -> bool:
        return Source.ACCEPTED in known.sources or bool(known.ids & self._case.claimed_orders)

    def _alike(
        self, placement: Placement, baseline: Baseline
    ) -> Iterator[tuple[KnownOrder, bool | None]]:
        """The orders that are nobody's and do not contradict its terms, and whether they have them.

        What is open and was not open before came after, whatever time the exchange gives it.
        """
        before = baseline.order_ids
        for known in self._known:
            in_time = may_be_of(known, placement)
            if not (in_time or Source.OPEN in known.sources) or self._taken(known):
                continue
            same = matches(known.order, placement.command, self._case.quantity_steps)
            if same is not False and known.ids.isdisjoint(before):
                yield known, same if in_time else None

    def _unbroken(self, baseline: Baseline) -> bool:
        since = self.picture.stream_since
        return since is not None and since <= baseline.taken_at - SLACK_MS

    def _unexplained(
        self,
        placement: Placement,
        baseline: Baseline,
        fills: Sequence[Fill],
        alike: Sequence[NamedFill],
    ) -> Decimal | None:
        """The quantity of the lane's new `fills`, less what others have had of them.

        What others grew by since the baseline may have begun with its late fills. So each number of
        these leaves a rest, which is the placement's own if that is one that fills `alike` can make
        up. None where more than one rest can be.
        """
        command = placement.command
        if not fills:
            return Decimal(0)
        grown = [*self._growth(command, baseline), *self._untold(command, baseline)]
        told = [each for each in grown if each is not None]
        if len(told) < len(grown):
            return None
        rest = exact_sum(quantity_of(fills), *(each.copy_negate() for each in told))
        late = [each for each in late_fills(baseline) if is_like(each, command)]
        rests = {exact_sum(rest, quantity_of(late[:count])) for count in range(len(late) + 1)}
        possible = made_up_by([each.fill for each in alike], rests)
        return possible[0] if len(possible) == 1 else None

    def _growth(self, command: PlaceOrder, baseline: Baseline) -> Iterable[Decimal | None]:
        before = {each.order_id: each.filled for each in baseline.orders}
        for known in self._known:
            order = known.order
            if (order.symbol, order.side, order.type) != (
                command.symbol,
                command.side,
                command.type,
            ):
                continue
            if not known.ids.isdisjoint(baseline.ended):
                continue
            had = next((before[each] for each in known.ids if each in before), None)
            if had is None and _was_over(known, command, baseline):
                continue
            filled = known.filled
            yield None if filled is None else exact_sum(filled, (had or Decimal(0)).copy_negate())

    def _untold(self, command: PlaceOrder, baseline: Baseline) -> Iterable[None]:
        """One None for each order that filled nobody knows what: it is gone, or never seen."""
        ids = frozenset[str]().union(*(each.ids for each in self._known))
        gone = [each for each in baseline.orders if each.order_id not in ids]
        unseen = [
            each
            for each in self._case.accepted
            if each.order is None
            and each.command.lane == command.lane
            and each.command.type == command.type
        ]
        return (None for _ in (*gone, *unseen))


def without_history(picture: Picture, judged: Sequence[Placement]) -> Picture:
    """The picture without orders that had ended before any of the `judged` could matter to them.

    Such an order was over when the first of them was signed and its baseline taken, and was open
    in none of their baselines: a reading passes over it.
    """
    baselines = [each.baseline for each in judged if each.baseline is not None]
    times = (*(each.signed_at for each in judged), *(each.taken_at for each in baselines))
    since = min(times) - FRAMES_LATE_MS
    before = {order.order_id for each in baselines for order in each.orders}
    ended = (each for each in picture.ended if each.time >= since or each.order_id in before)
    return replace(picture, ended=tuple(ended))


def may_be_of(known: KnownOrder, placement: Placement, slack: int = SLACK_MS) -> bool:
    """Whether an order can be the placement's by its time, and by what was open before."""
    baseline = placement.baseline
    before = frozenset[str]() if baseline is None else baseline.order_ids
    return known.order.time >= placement.signed_at - slack and known.ids.isdisjoint(before)


def is_like(fill: Fill, command: PlaceOrder) -> bool:
    """Whether a fill is of the lane and the type of a command."""
    return (fill.symbol, fill.side, fill.type) == (command.symbol, command.side, command.type)


def could_make(fill: Fill, placement: Placement) -> bool:
    """Whether a fill can be the placement's by its time, its price and its quantity."""
    return fill.time >= placement.signed_at - SLACK_MS and has_terms(fill, placement.command)


def has_terms(fill: Fill, command: PlaceOrder) -> bool:
    """Whether a fill can be one of a command's order by its lane, type, price and quantity."""
    if not is_like(fill, command):
        return False
    price, quantity, total = command.spec.price, command.spec.quantity, command.spec.quote_total
    if price is not None:
        worse = fill.price > price if command.side is OrderSide.BUY else fill.price < price
        if worse:
            return False
    if quantity is not None and fill.quantity > quantity:
        return False
    return total is None or total_of((fill,)) <= total


def _was_over(known: KnownOrder, command: PlaceOrder, baseline: Baseline) -> bool:
    """Whether an order that was not open at the baseline had all its fills before it."""
    order = known.order
    if Source.OPEN in known.sources:
        return False
    late = SLACK_MS if baseline.stream_since is None else FRAMES_LATE_MS
    if order.time < baseline.taken_at - late:
        return True
    return command.immediate and bool(baseline.fills) and order.time <= baseline.fills[0].time
