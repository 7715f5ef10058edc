"""Whatever happens to orders in virtual time, no verdict contradicts what the exchange did."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.domain.account import Fill
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, OrderType
from gateway.domain.placements import NOTHING_STANDS, UNRESOLVED, Placement, PlacementState
from gateway.domain.resolution import Verdict, fill_names, unexplained
from gateway.domain.resolution_orders import matches
from tests.unit.domain.model_exchange import STEP, Truth
from tests.unit.domain.placement_model import (
    GUARD,
    LEASE,
    SPACING,
    WINDOW,
    WITHIN,
    Fate,
    PlacementModel,
)

S, T = PlacementState, OrderType
CHEAPER, PRICE, DEARER = Decimal(99), Decimal(100), Decimal(101)
LOWEST, HIGHEST = Decimal(98), Decimal(102)
FOUR, EIGHT = Decimal(4), Decimal(8)

BUY, SELL = OrderSide.BUY, OrderSide.SELL
orders = st.sampled_from(
    [
        (BUY, OrderSpec(price=PRICE, quantity=FOUR)),
        (BUY, OrderSpec(price=PRICE, quantity=EIGHT)),
        (BUY, OrderSpec(price=DEARER, quantity=Decimal(12))),
        (SELL, OrderSpec(price=CHEAPER, quantity=FOUR)),
        (BUY, OrderSpec(type=T.STOP_LIMIT, stop_price=DEARER, price=PRICE, quantity=FOUR)),
        (BUY, OrderSpec(type=T.MARKET, quantity=FOUR)),
        (SELL, OrderSpec(type=T.MARKET, quantity=EIGHT)),
        (BUY, OrderSpec(type=T.FAST, quote_total=Decimal(1000))),
        (SELL, OrderSpec(type=T.FAST, quantity=FOUR)),
    ]
)
shares = st.integers(0, 4)
prices = st.sampled_from([CHEAPER, PRICE])
fates = st.builds(
    Fate,
    arrives=st.sampled_from([0, 100, 900, WINDOW, WINDOW + 1, 1_500]),
    executes=st.sampled_from([0, 0, 300, GUARD]),
    back=st.sampled_from([None, None, 0, 100, LEASE + 500]),
    patience=st.sampled_from([150, 150, 3 * LEASE]),
    lost=st.sampled_from([False, False, True]),
    washed=st.sampled_from([False, False, False, True]),
    share=shares,
    price=prices,
)


mostly = st.sampled_from([True, True, True, False])


class Placements(RuleBasedStateMachine):
    """Apps place, senders die, answers are lost, an outsider trades; a leader judges."""

    @initialize(own_ids=st.booleans(), lag=st.sampled_from([0, 150]), fenced=mostly)
    def begin(self, *, own_ids: bool, lag: int, fenced: bool) -> None:
        self.model = PlacementModel(stream_has_own_ids=own_ids, lag=lag, fenced=fenced)
        self.outsiders = 0

    @rule(order=orders, symbol=st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHUSDT"]), fate=fates)
    def app_places(self, order: tuple[OrderSide, OrderSpec], symbol: str, fate: Fate) -> None:
        self.model.place(symbol, *order, fate)

    @rule(ms=st.sampled_from([1, 50, SPACING, WINDOW, 2_500]))
    def time_passes(self, ms: int) -> None:
        self.model.pass_time(ms)

    @rule(order=orders, share=shares, price=prices)
    def outsider_places(
        self, order: tuple[OrderSide, OrderSpec], share: int, price: Decimal
    ) -> None:
        """No sum of what an outsider trades is a whole number, as orders of the gateway's are."""
        self.outsiders += 1
        side, spec = order
        odd = 4 * STEP * self.outsiders
        if spec.quote_total is not None:
            spec = replace(spec, quote_total=400 + odd)
        elif spec.quantity is not None:
            spec = replace(spec, quantity=spec.quantity + odd)
        self.model.exchange.place(None, "BTCUSDT", side, spec, price, share)

    @rule(data=st.data(), share=shares, price=prices)
    def market_meets_an_open_order(self, data: st.DataObject, share: int, price: Decimal) -> None:
        if (truth := self._any_open(data)) is not None:
            self.model.exchange.fill(truth, share, price)

    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        if (truth := self._any_open(data)) is not None:
            self.model.exchange.cancel(truth)

    @rule(count=st.sampled_from([1, 1, 2, 50]))
    def outsider_trades_a_lot_elsewhere(self, count: int) -> None:
        for _ in range(count):
            spec = OrderSpec(type=T.MARKET, quantity=Decimal("0.25"))
            self.model.exchange.place(None, "ETHUSDT", OrderSide.SELL, spec, CHEAPER, 4)

    @rule(comes_back=mostly)
    def stream_breaks(self, *, comes_back: bool) -> None:
        self.model.exchange.break_stream()
        if comes_back:
            self.model.exchange.restore_stream()

    @rule()
    def leader_takes_over_from_senders(self) -> None:
        self.model.lapse()

    @rule()
    def leader_judges(self) -> None:
        for verdict in self.model.judge():
            self._check(verdict)

    @rule(times=st.integers(2, 12))
    def leader_judges_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.time_passes(SPACING)
            self.leader_judges()

    @rule()
    def leader_judges_to_the_end(self) -> None:
        """After all terms, whatever was under way is known, or a person's to judge."""
        self.time_passes(LEASE + 1)
        self.leader_takes_over_from_senders()
        for _ in range(3):
            self.time_passes((WINDOW + GUARD + WITHIN) // 2)
            self.leader_judges()
        assert not [e for e in self._placements() if e.state in (S.SENDING, S.UNKNOWN)]

    @invariant()
    def no_verdict_contradicts_the_exchange(self) -> None:
        for placement in self._placements():
            placed = self.model.truth_of(placement.id) is not None
            if placement.state is S.ACCEPTED:
                assert placed, placement
            if placement.state in NOTHING_STANDS:
                assert not placed, placement

    @invariant()
    def every_claimed_order_is_the_placement_s_own(self) -> None:
        for order_id, placement_id in self._orders_of().items():
            truth = self.model.truth_of(placement_id)
            assert truth is not None
            assert order_id.removeprefix("stream-") == truth.order.order_id

    @invariant()
    def every_claimed_fill_is_the_placement_s_own(self) -> None:
        if not (claimed := self._claimed_fills()):
            return
        fills = self.model.exchange.fills[::-1]
        named = dict(zip(fill_names(fills), fills, strict=True))
        for name, placement_id in claimed.items():
            truth = self.model.truth_of(placement_id)
            assert truth is not None
            assert named[name] in truth.fills

    @invariant()
    def no_order_of_the_gateway_is_external(self) -> None:
        if not self._placements():
            return
        exchange = self.model.exchange
        told = (*exchange.open_orders(), *exchange.ended())
        for order in unexplained(self.model.case(), told):
            assert self._truth(order.order_id).placer is None

    def _check(self, verdict: Verdict) -> None:
        """Silence is believed only under all its conditions, and an order only if it is alone."""
        placement = verdict.placement
        if verdict.order is not None and placement.answered is None and not verdict.claims:
            assert len(self._alike(placement)) == 1
        if verdict.state is not S.NOT_PLACED or placement.answered is not None:
            return
        assert self.model.terms.fenced
        last = placement.signed_at + WINDOW + GUARD
        late = [each.read_at for each in self.model.pictures if each.read_at > last]
        assert late[-1] - late[0] >= SPACING
        since = self.model.pictures[-1].stream_since
        assert since is not None
        assert placement.baseline is not None
        assert since < placement.baseline.taken_at

    def _alike(self, placement: Placement) -> list[Truth]:
        """The orders, in time and nobody else's, that the last picture showed with its terms."""
        assert placement.baseline is not None
        others = {each for each, owner in self._orders_of().items() if owner != placement.id}
        known = others | {each.order_id for each in placement.baseline.orders}
        accepted = [each.order for each in self.model.case().accepted if each.id != placement.id]
        unnamed = {(each.time, each.quantity) for each in accepted if each and not each.order_id}
        picture = self.model.pictures[-1]
        seen = {self._truth(e.order_id).order for e in (*picture.orders, *picture.ended)}
        return [
            self._truth(each.order_id)
            for each in seen
            if {each.order_id, f"stream-{each.order_id}"}.isdisjoint(known)
            and (each.time, each.quantity) not in unnamed
            and each.time >= placement.signed_at - 1_000
            and matches(each, placement.command, self.model.case().quantity_steps)
        ]

    def _any_open(self, data: st.DataObject) -> Truth | None:
        ids = [each.order_id for each in self.model.exchange.open_orders()]
        return self._truth(data.draw(st.sampled_from(ids))) if ids else None

    def _truth(self, order_id: str | None) -> Truth:
        return self.model.exchange.truths[(order_id or "").removeprefix("stream-")]

    def _placements(self) -> list[Placement]:
        return [*self.model.journal.values()] if hasattr(self, "model") else []

    def _orders_of(self) -> dict[str, str]:
        return self.model.orders_of if hasattr(self, "model") else {}

    def _claimed_fills(self) -> dict[str, str]:
        return self.model.claimed_fills if hasattr(self, "model") else {}


class ImitatedPlacements(Placements):
    """The same with an outsider who places the very orders that are being looked for.

    Nobody can tell them apart then. What is accepted has its terms and is accepted once, and where
    there are two of them, neither is.
    """

    @rule(data=st.data(), share=shares)
    def outsider_imitates(self, data: st.DataObject, share: int) -> None:
        found = [each for each in self._placements() if each.state in UNRESOLVED]
        if found:
            command = data.draw(st.sampled_from(found)).command
            self.model.exchange.place(
                None, command.symbol, command.side, command.spec, CHEAPER, share
            )

    @invariant()
    def no_verdict_contradicts_the_exchange(self) -> None:
        for placement in self._placements():
            if placement.state in NOTHING_STANDS:
                assert self.model.truth_of(placement.id) is None, placement

    @invariant()
    def every_claimed_order_is_the_placement_s_own(self) -> None:
        claimed: set[str | None] = set()
        for order_id, placement_id in self._orders_of().items():
            order = self._truth(order_id).order
            assert order.order_id not in claimed
            claimed.add(order.order_id)
            command = self.model.journal[placement_id].command
            assert matches(order, command, self.model.case().quantity_steps)

    @invariant()
    def every_claimed_fill_is_the_placement_s_own(self) -> None:
        """Which fill is whose cannot be told: they were equal."""

    @invariant()
    def no_order_of_the_gateway_is_external(self) -> None:
        """Nor which order."""


class InterruptedPlacements(Placements):
    """The same with an outsider whose orders come and go unseen: as much, but by other terms.

    They may be taken for an order that is being looked for only if their fills look like it: see
    the exception in `gateway.domain.resolution`. Nothing is known for sure after that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mistaken = False

    @rule(data=st.data(), at_once=st.booleans(), passes=st.sampled_from([0, 1_001, 2_500]))
    def outsider_trades_as_much(self, data: st.DataObject, passes: int, *, at_once: bool) -> None:
        found = [each for each in self._placements() if each.state in UNRESOLVED]
        if not found:
            return
        command = data.draw(st.sampled_from(found)).command
        exchange, spec = self.model.exchange, command.spec
        price = LOWEST if command.side is BUY else HIGHEST
        parts = 1 if at_once and not command.immediate else 2
        part = replace(
            spec,
            price=spec.price and price,
            quantity=spec.quantity and spec.quantity / parts,
            quote_total=spec.quote_total and spec.quote_total / parts,
        )
        exchange.break_stream()
        for _ in range(parts):
            self.model.pass_time(passes)
            exchange.place(None, command.symbol, command.side, part, price, 4)
        exchange.restore_stream()

    def _check(self, verdict: Verdict) -> None:
        super()._check(verdict)
        truth = self.model.truth_of(verdict.placement.id)
        fills = self._fills_named(verdict.claims)
        if any(truth is None or each not in truth.fills for each in fills):
            self._check_mistake(verdict.placement, fills)
            self.mistaken = True

    def _check_mistake(self, placement: Placement, fills: list[Fill]) -> None:
        assert placement.baseline is not None
        since, spec = self.model.pictures[-1].stream_since, placement.command.spec
        assert since is None or since > placement.baseline.taken_at - 1_000
        assert spec.type is not T.STOP_LIMIT
        times = [each.time for each in fills]
        assert max(times) - min(times) <= 1_000
        traded = sum(each.quantity for each in fills)
        if spec.quantity is not None:
            assert traded == spec.quantity
        if spec.type is T.LIMIT:
            assert max(times) <= placement.signed_at + WINDOW + GUARD

    def _fills_named(self, names: frozenset[str]) -> list[Fill]:
        fills = self.model.exchange.fills[::-1]
        return [each for name, each in zip(fill_names(fills), fills, strict=True) if name in names]

    @invariant()
    def no_verdict_contradicts_the_exchange(self) -> None:
        if not self.mistaken:
            super().no_verdict_contradicts_the_exchange()

    @invariant()
    def every_claimed_order_is_the_placement_s_own(self) -> None:
        if not self.mistaken:
            super().every_claimed_order_is_the_placement_s_own()

    @invariant()
    def every_claimed_fill_is_the_placement_s_own(self) -> None:
        if not self.mistaken:
            super().every_claimed_fill_is_the_placement_s_own()

    @invariant()
    def no_order_of_the_gateway_is_external(self) -> None:
        if not self.mistaken:
            super().no_order_of_the_gateway_is_external()


_SETTINGS = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPlacements = Placements.TestCase
TestPlacements.settings = _SETTINGS
TestImitatedPlacements = ImitatedPlacements.TestCase
TestImitatedPlacements.settings = _SETTINGS
TestInterruptedPlacements = InterruptedPlacements.TestCase
TestInterruptedPlacements.settings = _SETTINGS
