"""What the limits of a grant leave for a UTC day, and which orders may stand by it. Pure.

A placement claims its part before its order is sent. The claim is given back only when it is
certain that nothing stands on the exchange; an outcome that nobody knows keeps what it took.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from gateway.domain.durations import DAY_MS
from gateway.domain.errors import OverLimit
from gateway.domain.money import exact_sum, shortest


@dataclass(frozen=True, slots=True)
class Notional:
    """What an order is worth at most: `total` in units of the quote asset `asset`."""

    asset: str
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits of the grant `rule` that a budget keeps to; None: no bound."""

    rule: str
    day_notional: Mapping[str, Decimal] | None = None
    open_orders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one placement took: of the notional of `day`, and a place among the open orders.

    `day` counts UTC days since 1970. `notional` is None where no bound asks for it. `rests`: the
    order may rest in the book. `order_id`: what the exchange called it when it accepted it.
    """

    day: int
    notional: Notional | None = None
    rests: bool = False
    order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the placements of one principal by one grant on one account took, by placement id.

    `spent` is the notional of `day` by quote asset: of orders sent, whatever became of them, but
    not of those of which it is certain that nothing stands. A claim stays while its outcome is
    not known, for days if need be, and while its order may rest. `given_up` are the claims of
    orders that were found not to be placed: should one turn up late, it counts again.
    """

    day: int = 0
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    given_up: Mapping[str, Claim] = field(default_factory=dict)

    def at(self, now: int) -> "Budget":
        """The budget at `now` (ms). A day never comes back, whatever a replica's clock says.

        What was spent counts for its own day; a place among the open orders stays taken.
        """
        day = max(self.day, now // DAY_MS)
        if day == self.day:
            return self
        lately = {key: claim for key, claim in self.given_up.items() if claim.day + 1 >= day}
        return Budget(day=day, claims=self.claims, given_up=lately)

    def reserve(
        self, placement_id: str, notional: Notional | None, bounds: Bounds, now: int, *, rests: bool
    ) -> "Budget":
        """Claim a placement's part at `now` (ms); raise `OverLimit` if too little is left.

        Running it twice is as once. `notional` and `rests` are counted where a bound asks for them.
        """
        budget = self.at(now)
        if placement_id in budget.claims:
            return budget
        counted = None if bounds.day_notional is None else notional
        rests = rests and bounds.open_orders is not None
        spent = budget.spent if counted is None else _spending(budget, counted, bounds, now)
        if rests:
            _require_place(budget, bounds)
        claim = Claim(day=budget.day, notional=counted, rests=rests)
        return replace(budget, spent=spent, claims={**budget.claims, placement_id: claim})

    def release(self, placement_id: str) -> "Budget":
        """Give back what a placement took; only when nothing of it stands."""
        claim = self.claims.get(placement_id)
        if claim is None:
            return self
        spent = self.spent
        if claim.notional is not None and claim.day == self.day:
            asset, total = claim.notional.asset, claim.notional.total
            spent = {**spent, asset: exact_sum(spent[asset], total.copy_negate())}
        return replace(self, spent=spent, claims=_without(self.claims, {placement_id}))

    def give_up(self, placement_id: str) -> "Budget":
        """Give back what a placement took of which nothing was found; it may yet turn up."""
        claim = self.claims.get(placement_id)
        if claim is None:
            return self
        released = self.release(placement_id)
        return replace(released, given_up={**self.given_up, placement_id: claim})

    def accepted(self, placement_id: str, order_id: str | None) -> "Budget":
        """Keep an accepted order among the open ones by its id; None: it does not rest.

        One that was given up counts again, whatever limit that exceeds.
        """
        if placement_id in self.given_up:
            return self._taken_back(placement_id).accepted(placement_id, order_id)
        claim = self.claims.get(placement_id)
        if claim is None:
            return self
        if order_id is None or not claim.rests:
            return replace(self, claims=_without(self.claims, {placement_id}))
        known = replace(claim, order_id=order_id)
        return replace(self, claims={**self.claims, placement_id: known})

    def _taken_back(self, placement_id: str) -> "Budget":
        claim, spent = self.given_up[placement_id], self.spent
        if claim.notional is not None and claim.day == self.day:
            asset, total = claim.notional.asset, claim.notional.total
            spent = {**spent, asset: exact_sum(spent.get(asset, Decimal(0)), total)}
        return replace(
            self,
            spent=spent,
            claims={**self.claims, placement_id: claim},
            given_up=_without(self.given_up, {placement_id}),
        )

    def closed(self, order_ids: Collection[str]) -> "Budget":
        """Count these orders as open no more."""
        ended = {key for key, claim in self.claims.items() if claim.order_id in order_ids}
        return replace(self, claims=_without(self.claims, ended)) if ended else self

    def order_ids(self) -> frozenset[str]:
        """The orders that count as open, as far as their ids are known."""
        known = (claim.order_id for claim in self.claims.values())
        return frozenset(order_id for order_id in known if order_id is not None)


def listed(notional: Notional, limits: Mapping[str, Decimal], rule: str, limit: str) -> Decimal:
    """What `limits` say of the notional's asset; raise `OverLimit` when they do not list it."""
    if notional.asset not in limits:
        problem = f"orders priced in {notional.asset} have no share in it"
        raise OverLimit(rule, limit, problem)
    return limits[notional.asset]


def _spending(
    budget: Budget, notional: Notional, bounds: Bounds, now: int
) -> Mapping[str, Decimal]:
    limit = listed(notional, bounds.day_notional or {}, bounds.rule, "day_notional")
    spent = budget.spent.get(notional.asset, Decimal(0))
    fits_a_day = notional.total <= limit
    if not fits_a_day or exact_sum(spent, notional.total) > limit:
        left = shortest(max(Decimal(0), exact_sum(limit, spent.copy_negate())))
        counts = f"the order counts {shortest(notional.total)} {notional.asset}"
        problem = f"{counts}; {left} of {shortest(limit)} are left until 00:00 UTC"
        until_then = ((budget.day + 1) * DAY_MS - now) / 1000
        raise OverLimit(bounds.rule, "day_notional", problem, until_then if fits_a_day else None)
    return {**budget.spent, notional.asset: exact_sum(spent, notional.total)}


def _require_place(budget: Budget, bounds: Bounds) -> None:
    count = sum(claim.rests for claim in budget.claims.values())
    if bounds.open_orders is not None and count >= bounds.open_orders:
        problem = f"{count} of {bounds.open_orders} orders may be open: cancel one"
        raise OverLimit(bounds.rule, "open_orders", problem)


def _without(claims: Mapping[str, Claim], gone: Collection[str]) -> Mapping[str, Claim]:
    return {key: claim for key, claim in claims.items() if key not in gone}
