"""Puts together all that is known of an account's placements without an outcome."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from gateway.domain.errors import GatewayError
from gateway.domain.market import Market
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Case, Picture, fill_names, without_history
from gateway.services.market_data import MarketData, MarketView
from gateway.store.journal import OrderJournal

_BEFORE_MS = 10_000
"""More than an order takes from its last check to its record, and an outcome to its own."""

_OPEN = frozenset({PlacementState.UNKNOWN, PlacementState.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class Docket:
    """An account's placements without an outcome, and those whose outcome may turn out wrong."""

    unresolved: tuple[Placement, ...]
    given_up: tuple[Placement, ...]

    @property
    def sending(self) -> tuple[Placement, ...]:
        """Those under way."""
        return tuple(each for each in self.unresolved if each.state is PlacementState.SENDING)

    @property
    def unknown(self) -> tuple[Placement, ...]:
        """Those that time alone may settle."""
        return tuple(each for each in self.unresolved if each.state is PlacementState.UNKNOWN)

    @property
    def judged(self) -> tuple[Placement, ...]:
        """Those that evidence may settle."""
        return (*self.unknown, *self.patient)

    @property
    def patient(self) -> tuple[Placement, ...]:
        """Those of them that nobody waits for: IN_DOUBT, or found not to be placed."""
        doubtful = (each for each in self.unresolved if each.state is PlacementState.IN_DOUBT)
        return (*doubtful, *self.given_up)


class Cases:
    """`now` is the time in ms, `exchange_now` the exchange's at the most, or None."""

    def __init__(
        self,
        *,
        journal: OrderJournal,
        market_data: MarketData,
        now: Callable[[], int],
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._journal = journal
        self._market_data = market_data
        self._now = now
        self._exchange_now = exchange_now

    async def docket(self, account: str) -> Docket:
        """What is to be judged; raises `NotLookedUp`."""
        unresolved = await self._journal.unresolved(account)
        return Docket(unresolved, await self._journal.given_up(account))

    async def case(
        self,
        account: str,
        docket: Docket,
        pictures: tuple[Picture, ...],
        judged: Sequence[Placement],
    ) -> Case | None:
        """The case of a docket that was read after the pictures; None without the exchange's time.

        It reaches back as far as the `judged` ones of the docket do, who are one at least.

        What was accepted and what is claimed is read last: an order under way in the docket may be
        known by now, and one that is in none of these was placed after the pictures. Whether the
        journal is whole is asked last of all, for it might not have been when it was read. Raises
        `NotLookedUp`.
        """
        lanes = {each.command.lane for each in judged}
        # By Redis' clock alone; to be ready for its record an order has as long as its window.
        since = min(each.begun_at - each.window for each in judged) - _BEFORE_MS
        pictures = tuple(without_history(each, judged) for each in pictures)
        accepted = await self._journal.accepted_since(account, since)
        claimed_orders = await self._journal.claimed_orders(account, _order_ids(pictures))
        claimed_fills = await self._journal.claimed_fills(account, _fill_names(pictures))
        symbols = {each.command.symbol for each in judged}
        traded = {fill.symbol for picture in pictures for fill in picture.fills}
        markets = await self._markets(symbols | traded)
        steps = await self._quantity_steps(symbols)
        quarantined = await self._journal.quarantine(account) is not None
        if (now := self._exchange_now()) is None:
            return None
        return Case(
            now=now,
            unresolved=tuple(each for each in docket.unresolved if each.state in _OPEN),
            sending=docket.sending,
            given_up=docket.given_up,
            accepted=tuple(each for each in accepted if each.command.lane in lanes),
            claimed_orders=claimed_orders,
            claimed_fills=claimed_fills,
            markets=markets,
            quantity_steps=steps,
            pictures=pictures,
            quarantined=quarantined,
        )

    async def _markets(self, symbols: Iterable[str]) -> dict[str, Market]:
        view, markets = MarketView(self._market_data, self._now), {}
        for symbol in sorted(symbols):
            with suppress(GatewayError):
                markets[symbol] = await view.market(symbol)
        return markets

    async def _quantity_steps(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        view, steps = MarketView(self._market_data, self._now), {}
        for symbol in sorted(symbols):
            with suppress(GatewayError):
                rules = (await view.rules(symbol)).value
                steps[symbol] = Decimal(1).scaleb(-rules.quantity_precision)
        return steps


def _order_ids(pictures: Iterable[Picture]) -> set[str]:
    return {
        order.order_id
        for picture in pictures
        for order in (*picture.orders, *picture.ended)
        if order.order_id is not None
    }


def _fill_names(pictures: Iterable[Picture]) -> set[str]:
    return {name for picture in pictures for name in fill_names(picture.fills)}
