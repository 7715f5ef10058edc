"""Fills of an account: their names, which are new, and what they do to its balances. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, takewhile

from gateway.domain.account import Fill
from gateway.domain.market import Market, OrderSide
from gateway.domain.money import exact_product, exact_sum, shortest
from gateway.domain.placements import Baseline
from gateway.domain.resolution_case import FRAMES_LATE_MS

_LISTED = 50
"""A list of fewer fills is all there ever were ('Get User Trades' names no number)."""

_SORTED_OUT = 12
"""Among more fills than these it is not tried to find those that make up a quantity."""


@dataclass(frozen=True, slots=True)
class NamedFill:
    """A fill, and the name by which a placement claims it."""

    name: str
    fill: Fill


def fill_names(fills: Sequence[Fill]) -> tuple[str, ...]:
    """A name for each of an account's fills, which are listed newest first.

    It is the same in a later list. Equal fills are numbered from the oldest on, so it takes all
    that have their time.
    """
    before: Counter[Fill] = Counter()
    names = []
    for fill in reversed(fills):
        names.append(f"{_text(fill)}:{before[fill]}")
        before[fill] += 1
    return tuple(reversed(names))


def new_fills(before: Sequence[Fill], now: Sequence[Fill]) -> tuple[NamedFill, ...] | None:
    """The fills that came since the list `before`, both newest first; None if some may be missing.

    The newest of `before` must be found again, as a run, in one place only.
    """
    start = _start_of_known(before, now)
    if start is None:
        return None
    if not start:
        return ()
    named = tuple(map(NamedFill, fill_names(now), now))
    oldest = now[start - 1].time
    # What was first, and what is equal to a fill that is listed, may not be listed any more.
    cut_off = len(now) >= _LISTED and now[-1].time >= oldest
    return None if cut_off else named[:start]


def late_fills(baseline: Baseline) -> tuple[Fill, ...]:
    """The newest fills of a baseline, which its balances and orders may not tell of yet."""
    since = baseline.taken_at - FRAMES_LATE_MS
    return tuple(takewhile(lambda each: each.time >= since, baseline.fills))


def balances_agree(
    baseline: Baseline,
    new: Iterable[Fill],
    totals: Mapping[str, Decimal],
    markets: Mapping[str, Market],
) -> bool:
    """Whether the `new` fills are all that has moved the two assets of the baseline since.

    One of the two may lack more of the late ones than the other: each has frames of its own.
    """
    since, late, assets = [*new], late_fills(baseline), frozenset(baseline.totals)
    agreeing = set[str]()
    for counted in range(len(late) + 1):
        moves = _moves((*since, *late[:counted]), assets, markets)
        if moves is None:
            return False
        agreeing |= {
            asset
            for asset, total in baseline.totals.items()
            if exact_sum(total, *moves[asset]) == totals.get(asset, Decimal(0))
        }
    return agreeing == assets


def quantity_of(fills: Iterable[Fill]) -> Decimal:
    """What was traded, in the base asset."""
    return exact_sum(Decimal(0), *(fill.quantity for fill in fills))


def total_of(fills: Iterable[Fill]) -> Decimal:
    """What was paid, in the quote asset, without fees."""
    return exact_sum(Decimal(0), *(exact_product(fill.price, fill.quantity) for fill in fills))


def made_up_by(fills: Sequence[Fill], quantities: Iterable[Decimal]) -> list[Decimal]:
    """Those of the quantities that some of the fills, or none, make up.

    Of many fills it is not tried: they may make up whatever is not more than all of them.
    """
    if len(fills) > _SORTED_OUT:
        return [each for each in quantities if 0 <= each <= quantity_of(fills)]
    sums = {Decimal(0)}
    for fill in fills:
        sums |= {exact_sum(each, fill.quantity) for each in sums}
    return [each for each in quantities if each in sums]


def only_choice(fills: Sequence[NamedFill], quantity: Decimal) -> tuple[NamedFill, ...] | None:
    """The fills that make up a quantity, if there is one way to choose them, else None."""
    if quantity_of(each.fill for each in fills) == quantity:
        return tuple(fills)
    if len(fills) > _SORTED_OUT:
        return None
    found = [
        chosen
        for count in range(1, len(fills))
        for chosen in combinations(fills, count)
        if quantity_of(each.fill for each in chosen) == quantity
    ]
    return found[0] if len(found) == 1 else None


def _start_of_known(before: Sequence[Fill], now: Sequence[Fill]) -> int | None:
    if not before:
        return len(now)
    later = sum(1 for _ in takewhile(lambda each: each.time > before[0].time, now))
    alike = sum(1 for _ in takewhile(lambda each: each.time == before[0].time, now[later:]))
    starts = [at for at in range(later, later + alike) if _continues(before, now[at:])]
    return starts[0] if len(starts) == 1 else None


def _continues(before: Sequence[Fill], now: Sequence[Fill]) -> bool:
    overlap = min(len(before), len(now))
    return tuple(before[:overlap]) == tuple(now[:overlap])


def _moves(
    fills: Iterable[Fill], assets: frozenset[str], markets: Mapping[str, Market]
) -> dict[str, list[Decimal]] | None:
    """What the fills move of these assets; None when a market is not known that may have them."""
    moves: dict[str, list[Decimal]] = {asset: [] for asset in assets}
    for fill in fills:
        market = markets.get(fill.symbol)
        if market is None and _may_touch(fill, assets):
            return None
        if market is not None:
            for asset, move in _effects(fill, market):
                moves.setdefault(asset, []).append(move)
    return moves


def _effects(fill: Fill, market: Market) -> Iterator[tuple[str, Decimal]]:
    total = exact_product(fill.price, fill.quantity)
    buys = fill.side is OrderSide.BUY
    yield market.base_asset, fill.quantity if buys else fill.quantity.copy_negate()
    yield market.quote_asset, total.copy_negate() if buys else total
    yield fill.fee_asset, fill.fee.copy_negate()


def _may_touch(fill: Fill, assets: frozenset[str]) -> bool:
    symbol = fill.symbol
    return fill.fee_asset in assets or any(
        symbol.startswith(asset) or symbol.endswith(asset) for asset in assets
    )


def _text(fill: Fill) -> str:
    figures = (fill.price, fill.quantity, fill.fee)
    return ":".join(
        (
            str(fill.time),
            fill.symbol,
            fill.side,
            fill.type,
            *map(shortest, figures),
            fill.fee_asset,
        )
    )
