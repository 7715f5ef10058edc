from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.domain.orders import Order, OrderStatus
from gateway.services.order_mirror import OrderMirror
from tests.unit.services.examples import order

S = OrderStatus
PARTLY, FILLED, CANCELLED = S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED


def test_a_frame_of_an_earlier_time_is_not_told_again() -> None:
    mirror = OrderMirror()
    assert mirror.apply(order(filled=5, status=PARTLY)) == order(filled=5, status=PARTLY)
    assert mirror.apply(order(filled=0)) is None
    assert mirror.open_orders() == (order(filled=5, status=PARTLY),)


def test_what_has_ended_never_reopens() -> None:
    mirror = OrderMirror()
    begun = mirror.mark()
    mirror.apply(order())
    assert mirror.apply(order(filled=10, status=FILLED)) is not None
    assert mirror.apply(order(filled=5, status=PARTLY)) is None
    assert mirror.reconcile([order()], begun) == ()
    assert mirror.reconcile([order()], mirror.mark()) == ()
    assert mirror.open_orders() == ()


def test_of_those_that_ended_it_names_the_ones_just_placed_and_not_those_that_vanished() -> None:
    mirror = OrderMirror()
    for name, at in (("o1", 1_000), ("o2", 999), ("o3", 2_000)):
        mirror.apply(replace(order(name, filled=10, status=FILLED), time=at))
    mirror.apply(replace(order("o4"), time=2_000))
    mirror.reconcile([], mirror.mark())
    assert [each.order_id for each in mirror.ended_lately(1_000)] == ["o3", "o1"]


def test_an_end_that_is_told_without_its_fills_keeps_those_that_are_known() -> None:
    mirror = OrderMirror()
    mirror.apply(order(filled=5, status=PARTLY))
    ended = mirror.apply(order(filled=None, status=CANCELLED))
    assert ended == order(filled=5, status=CANCELLED)


def test_an_order_that_vanished_is_closed_and_nobody_knows_how() -> None:
    mirror = OrderMirror()
    mirror.apply(order("o1", filled=5, status=PARTLY))
    mirror.apply(order("o2"))
    changed = mirror.reconcile([order("o2")], mirror.mark())
    assert changed == (order("o1", filled=5, status=S.CLOSED_UNKNOWN),)
    assert mirror.open_orders() == (order("o2"),)


@pytest.mark.parametrize("status", [FILLED, CANCELLED])
def test_a_frame_that_tells_how_a_vanished_order_ended_is_told_once(status: OrderStatus) -> None:
    mirror = OrderMirror()
    mirror.apply(order(filled=5, status=PARTLY))
    mirror.reconcile([], mirror.mark())
    assert mirror.apply(order(filled=5, status=PARTLY)) is None
    ended = mirror.apply(order(filled=None, status=status))
    assert ended == order(filled=5, status=status)
    assert mirror.apply(order(filled=10, status=status)) is None
    assert mirror.reconcile([order()], mirror.mark()) == ()
    assert mirror.open_orders() == ()


def test_an_order_that_a_lagging_list_lacked_reopens_by_a_list_asked_for_after_it() -> None:
    mirror = OrderMirror()
    mirror.apply(order(filled=5, status=PARTLY))
    begun = mirror.mark()
    mirror.reconcile([], begun)
    standing = order(filled=5, status=PARTLY)
    assert mirror.reconcile([standing], begun) == ()
    assert mirror.reconcile([order(filled=4, status=PARTLY)], mirror.mark()) == ()
    assert mirror.reconcile([standing], mirror.mark()) == (standing,)
    assert mirror.open_orders() == (standing,)


def test_an_order_that_a_lagging_list_lacked_reopens_by_a_frame_that_fills_it() -> None:
    mirror = OrderMirror()
    mirror.apply(order())
    mirror.reconcile([], mirror.mark())
    assert mirror.apply(order()) is None
    filling = order(filled=3, status=PARTLY)
    assert mirror.apply(filling) == filling
    assert mirror.apply(order(filled=2, status=PARTLY)) is None
    assert mirror.open_orders() == (filling,)
    assert mirror.apply(order(filled=3, status=CANCELLED)) is not None
    assert mirror.apply(order(filled=4, status=PARTLY)) is None


def test_an_order_that_a_newer_frame_spoke_of_has_not_vanished() -> None:
    mirror = OrderMirror()
    begun = mirror.mark()
    mirror.apply(order())
    assert mirror.reconcile([], begun) == ()
    assert mirror.open_orders() == (order(),)


def test_a_list_that_was_asked_for_before_a_frame_does_not_take_it_back() -> None:
    mirror = OrderMirror()
    mirror.apply(order(filled=1, status=PARTLY))
    begun = mirror.mark()
    mirror.apply(order(filled=2, status=PARTLY))
    assert mirror.reconcile([order(filled=1, status=PARTLY)], begun) == ()


def test_a_list_tells_what_filled_and_what_is_new() -> None:
    mirror = OrderMirror()
    mirror.apply(order("o1"))
    news = (order("o1", filled=3, status=PARTLY), order("o2"))
    assert mirror.reconcile([*news, order(None)], mirror.mark()) == news
    assert mirror.reconcile(news, mirror.mark()) == ()


def test_orders_without_an_id_are_passed_on_and_not_kept() -> None:
    mirror = OrderMirror()
    assert mirror.apply(order(None)) == order(None)
    assert mirror.open_orders() == ()


def test_open_orders_that_were_forgotten_do_not_vanish_and_what_ended_stays_ended() -> None:
    mirror = OrderMirror()
    mirror.apply(order("o1"))
    mirror.apply(order("o2", filled=10, status=FILLED))
    mirror.forget_open()
    assert mirror.reconcile([order("o2"), order("o3")], mirror.mark()) == (order("o3"),)
    assert mirror.open_orders() == (order("o3"),)


IDS = ("o1", "o2", "o3")
SIZE = 3


def test_every_end_is_known_also_of_an_order_that_just_vanished() -> None:
    mirror = OrderMirror()
    unnamed = order(None, filled=10, status=FILLED)
    mirror.apply(order("open"))
    mirror.apply(order("filled", filled=10, status=FILLED))
    mirror.apply(order("cancelled", status=CANCELLED))
    mirror.apply(unnamed)
    mirror.apply(order(None))
    mirror.reconcile([], mirror.mark())
    assert mirror.ended_orders() == (
        order("filled", filled=10, status=FILLED),
        order("cancelled", status=CANCELLED),
        order("open", status=S.CLOSED_UNKNOWN),
        unnamed,
    )


@pytest.mark.parametrize("order_id", ["named", None])
def test_until_when_ends_are_forgotten_is_told(order_id: str | None) -> None:
    mirror = OrderMirror(ended_kept=2)
    for number in range(4):
        name = order_id and f"{order_id}{number}"
        mirror.apply(replace(order(name, filled=10, status=FILLED), time=1_000 + number))
    assert mirror.forgotten_until == 1_001
    assert [each.time for each in mirror.ended_orders()] == [1_002, 1_003]


class MirrorModel(RuleBasedStateMachine):
    """The exchange's orders fill and end; frames are lost while the stream is cut."""

    @initialize()
    def begin(self) -> None:
        self.mirror = OrderMirror()
        self.truth: dict[str, Order] = {}
        self.connected = True
        self.asked: list[tuple[list[Order], int]] = []
        self.told: dict[str, Order] = {}

    def hear(self, told: Order | None) -> None:
        if told is None or told.order_id is None:
            return
        before = self.told.get(told.order_id)
        if before is not None:
            ended = before.status.terminal and before.status is not S.CLOSED_UNKNOWN
            assert not ended, "an order that ended was told again"
            if before.status is S.CLOSED_UNKNOWN:
                really = self.truth[told.order_id].status
                assert told.status.terminal or not really.terminal, "an order reopened"
            assert (told.filled_quantity or 0) >= (before.filled_quantity or 0)
        self.told[told.order_id] = told

    @rule(order_id=st.sampled_from(IDS), step=st.sampled_from(["fill", "cancel", "cancel blindly"]))
    def happen(self, order_id: str, step: str) -> None:
        standing = self.truth.get(order_id)
        if standing is None:
            frame = order(order_id)
        elif standing.status.terminal:
            return
        elif step == "fill":
            filled = (standing.filled_quantity or Decimal(0)) + 1
            status = FILLED if filled == SIZE else PARTLY
            frame = replace(standing, filled_quantity=filled, status=status)
        else:
            frame = replace(standing, status=CANCELLED)
        self.truth[order_id] = frame
        if step == "cancel blindly" and frame.status is CANCELLED:
            frame = replace(frame, filled_quantity=None)
        if self.connected:
            self.hear(self.mirror.apply(frame))

    @precondition(lambda self: self.truth)
    @rule(which=st.integers(0, 2))
    def tell_late(self, which: int) -> None:
        """The frame of an order's end comes after a list without the order."""
        order_id = sorted(self.truth)[which % len(self.truth)]
        if self.truth[order_id].status.terminal:
            self.hear(self.mirror.apply(self.truth[order_id]))
            assert self.told[order_id].status is self.truth[order_id].status

    @rule()
    def cut(self) -> None:
        self.connected = False

    @rule()
    def reconnect(self) -> None:
        self.connected = True

    @rule()
    def ask(self) -> None:
        listed = [each for each in self.truth.values() if not each.status.terminal]
        self.asked.append((listed, self.mirror.mark()))

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 5))
    def answer(self, which: int) -> None:
        """Lists arrive in any order; the stream was whole since each was asked for, or not."""
        listed, begun = self.asked.pop(which % len(self.asked))
        for told in self.mirror.reconcile(listed, begun):
            self.hear(told)

    @precondition(lambda self: self.connected)
    @rule(hidden=st.sampled_from(IDS))
    def lag(self, hidden: str) -> None:
        """A list lacks an order that stands."""
        listed = [each for each in self.truth.values() if not each.status.terminal]
        shown = [each for each in listed if each.order_id != hidden]
        for told in self.mirror.reconcile(shown, self.mirror.mark()):
            self.hear(told)

    @precondition(lambda self: self.connected)
    @rule()
    def agree(self) -> None:
        """After a list that is asked for and answered at once, what is open is what is told."""
        self.asked.clear()
        self.ask()
        self.answer(0)
        really = {key for key, each in self.truth.items() if not each.status.terminal}
        assert {each.order_id for each in self.mirror.open_orders()} == really


TestMirrorModel = MirrorModel.TestCase
TestMirrorModel.settings = settings(max_examples=150, stateful_step_count=30)
