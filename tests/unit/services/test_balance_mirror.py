from collections.abc import Iterable
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.domain.account import Balance, BalanceChange
from gateway.services.balance_mirror import BalanceMirror
from tests.unit.services.examples import available, balance, held


def mirror_of(*wallet: Balance) -> BalanceMirror:
    mirror = BalanceMirror()
    mirror.reconcile(wallet, mirror.mark())
    return mirror


def test_a_balance_is_told_when_both_its_parts_have_come() -> None:
    mirror = mirror_of(balance("BTC", 5, 0))
    assert mirror.apply(available("BTC", 3)) == ()
    assert mirror.balances() == (balance("BTC", 5, 0),)
    assert mirror.apply(held("BTC", 2)) == (balance("BTC", 3, 2),)
    assert mirror.balances() == (balance("BTC", 3, 2),)


def test_the_parts_may_come_the_other_way_round_and_between_those_of_other_assets() -> None:
    mirror = mirror_of(balance("BTC", 5, 0), balance("TRY", 0, 9))
    assert mirror.apply(held("BTC", 2)) == ()
    assert mirror.apply(available("TRY", 9)) == ()
    assert mirror.apply(available("BTC", 3)) == (balance("BTC", 3, 2),)
    assert mirror.apply(held("TRY", 0)) == (balance("TRY", 9, 0),)


def test_a_part_that_stays_alone_is_told_once_it_has_waited() -> None:
    mirror = mirror_of(balance("BTC", 5, 2))
    mirror.apply(available("BTC", 6))
    mark = mirror.mark()
    assert mirror.settle("BTC", mark) == (balance("BTC", 6, 2),)
    assert mirror.settle("BTC", mark) == ()


def test_the_wait_of_an_earlier_part_does_not_end_that_of_a_later_one() -> None:
    mirror = mirror_of(balance("BTC", 5, 2))
    mirror.apply(available("BTC", 6))
    earlier = mirror.mark()
    assert mirror.apply(available("BTC", 4)) == (balance("BTC", 6, 2),)
    assert mirror.settle("BTC", earlier) == ()
    assert mirror.apply(held("BTC", 4)) == (balance("BTC", 4, 4),)


def test_what_comes_between_two_operations_ends_every_wait() -> None:
    mirror = mirror_of(balance("BTC", 5, 2), balance("TRY", 1, 0))
    mirror.apply(held("BTC", 1))
    mirror.apply(available("TRY", 7))
    assert mirror.settle_all() == (balance("BTC", 5, 1), balance("TRY", 7, 0))
    assert mirror.settle_all() == ()


def test_a_frame_that_tells_what_is_known_is_no_news() -> None:
    mirror = mirror_of(balance("BTC", 5, 2))
    mirror.apply(available("BTC", 5))
    assert mirror.settle_all() == ()


def test_an_asset_that_the_wallet_lacked_is_held_once_a_frame_says_so() -> None:
    mirror = mirror_of()
    mirror.apply(available("HOT", 100))
    assert mirror.settle_all() == (balance("HOT", 100, 0),)


def test_the_precision_of_the_wallet_stays() -> None:
    row = Balance("BTC", Decimal(5), Decimal(5), Decimal(0), precision=8)
    mirror = mirror_of(row)
    mirror.apply(available("BTC", 4))
    (changed,) = mirror.apply(held("BTC", 1))
    assert changed == Balance("BTC", Decimal(5), Decimal(4), Decimal(1), precision=8)


def test_a_total_has_every_digit_of_its_parts() -> None:
    mirror = mirror_of()
    mirror.apply(BalanceChange("HOT", available=Decimal("12345678901.123456789012345678")))
    (told,) = mirror.apply(BalanceChange("HOT", held=Decimal("1.000000000000000001")))
    assert told.total == Decimal("12345678902.123456789012345679")


def test_what_the_wallet_counts_besides_the_parts_stays_in_the_total() -> None:
    mirror = mirror_of(Balance("BTC", total=Decimal(100), available=Decimal(90), held=Decimal(5)))
    mirror.apply(available("BTC", 89))
    assert mirror.settle_all() == (Balance("BTC", Decimal(99), Decimal(89), Decimal(5)),)


def test_a_wallet_asked_for_before_a_frame_arrived_does_not_override_it() -> None:
    mirror = mirror_of(balance("BTC", 5, 0), balance("TRY", 1, 0))
    begun = mirror.mark()
    mirror.apply(available("BTC", 3))
    mirror.apply(held("BTC", 2))
    mirror.reconcile([balance("BTC", 5, 0), balance("TRY", 8, 0)], begun)
    assert set(mirror.balances()) == {balance("BTC", 3, 2), balance("TRY", 8, 0)}


def test_a_wallet_asked_for_between_two_parts_does_not_override_either() -> None:
    mirror = mirror_of(balance("BTC", 5, 0))
    mirror.apply(available("BTC", 3))
    begun = mirror.mark()
    mirror.apply(held("BTC", 2))
    mirror.reconcile([balance("BTC", 5, 0)], begun)
    assert mirror.balances() == (balance("BTC", 3, 2),)


def test_a_wallet_asked_for_after_a_frame_overrides_it() -> None:
    mirror = mirror_of(balance("BTC", 5, 0))
    mirror.apply(available("BTC", 3))
    mirror.apply(held("BTC", 2))
    mirror.reconcile([balance("BTC", 1, 1)], mirror.mark())
    assert mirror.balances() == (balance("BTC", 1, 1),)


def test_a_wallet_gives_the_part_that_no_frame_has_told_since() -> None:
    mirror = mirror_of()
    begun = mirror.mark()
    mirror.apply(available("BTC", 3))
    mirror.settle_all()
    mirror.reconcile([balance("BTC", 7, 1)], begun)
    assert mirror.balances() == (balance("BTC", 3, 1),)


def test_a_part_that_waits_while_the_wallet_comes_goes_on_waiting() -> None:
    mirror = mirror_of(balance("BTC", 5, 0))
    begun = mirror.mark()
    mirror.apply(available("BTC", 3))
    mirror.reconcile([balance("BTC", 5, 0)], begun)
    assert mirror.balances() == (balance("BTC", 5, 0),)
    assert mirror.apply(held("BTC", 2)) == (balance("BTC", 3, 2),)


def test_an_asset_that_the_wallet_lacks_is_not_held() -> None:
    mirror = mirror_of(balance("BTC", 5, 0), balance("TRY", 1, 0))
    mirror.reconcile([balance("TRY", 1, 0)], mirror.mark())
    assert mirror.balances() == (balance("TRY", 1, 0),)


def test_what_waited_before_a_break_is_not_told_after_it() -> None:
    mirror = mirror_of(balance("BTC", 5, 0))
    mirror.apply(available("BTC", 3))
    mirror.reconcile([balance("BTC", 9, 0)], mirror.mark())
    assert mirror.settle_all() == ()
    assert mirror.balances() == (balance("BTC", 9, 0),)


ASSETS = ("BTC", "TRY")
MANY_DIGITS = 10**30
START = [balance(asset, 1, 0) for asset in ASSETS]


class MirrorModel(RuleBasedStateMachine):
    """The exchange's balances change; frames and wallets are late, each at its own pace.

    A wallet is taken when the frames have come that were on their way when it was made. Every
    value is new, so that what is told has one moment at which it was so.
    """

    @initialize()
    def begin(self) -> None:
        self.mirror = mirror_of(*START)
        self.was = {row.asset: [row] for row in START}
        self.told = dict.fromkeys(ASSETS, 0)
        self.frames: list[BalanceChange | None] = []
        self.held_alone: set[str] = set()
        self.came = 0
        self.asked: int | None = None
        self.wallet: list[Balance] = []
        self.sent_before_wallet: int | None = None
        self.number = MANY_DIGITS

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def hear(self, told: Iterable[Balance]) -> None:
        for each in told:
            moments = self.was[each.asset]
            assert each in moments, "a balance that never was"
            assert moments.index(each) >= self.told[each.asset], "a balance went back"
            self.told[each.asset] = moments.index(each)

    @rule(asset=st.sampled_from(ASSETS), parts=st.sampled_from(["both", "available", "held"]))
    def trade(self, asset: str, parts: str) -> None:
        """An order's frame goes ahead of what it did to balances."""
        self.part()
        if parts == "held":
            self.held_alone.add(asset)
        self.change(asset, parts)

    @rule(asset=st.sampled_from(ASSETS), parts=st.sampled_from(["both", "available"]))
    def transfer(self, asset: str, parts: str) -> None:
        """No frame goes ahead, but where what is held changed alone: that cannot be told apart."""
        if asset in self.held_alone:
            self.part()
        self.change(asset, parts)

    def part(self) -> None:
        self.frames.append(None)
        self.held_alone.clear()

    def change(self, asset: str, parts: str) -> None:
        now = self.was[asset][-1]
        free = int(now.available) if parts == "held" else self.fresh()
        bound = int(now.held) if parts == "available" else self.fresh()
        self.was[asset].append(balance(asset, free, bound))
        if parts != "held":
            self.frames.append(available(asset, free))
        if parts != "available":
            self.frames.append(held(asset, bound))

    @property
    def halved(self) -> bool:
        """True between the two frames of one change."""
        return 0 < self.came < len(self.frames) and (
            (last := self.frames[self.came - 1]) is not None
            and (following := self.frames[self.came]) is not None
            and last.asset == following.asset
            and last.available is not None
            and following.held is not None
        )

    @precondition(lambda self: self.came < len(self.frames))
    @rule()
    def receive(self) -> None:
        frame = self.frames[self.came]
        self.came += 1
        self.hear(self.mirror.settle_all() if frame is None else self.mirror.apply(frame))

    @precondition(lambda self: not self.halved)
    @rule()
    def wait(self) -> None:
        self.hear(self.mirror.settle_all())

    @precondition(lambda self: self.asked is None)
    @rule()
    def ask(self) -> None:
        self.asked = self.mirror.mark()

    @precondition(lambda self: self.asked is not None and self.sent_before_wallet is None)
    @rule()
    def make_wallet(self) -> None:
        self.wallet = [moments[-1] for moments in self.was.values()]
        self.sent_before_wallet = len(self.frames)

    @precondition(lambda self: self.sent_before_wallet is not None)
    @rule()
    def answer(self) -> None:
        assert self.asked is not None
        while self.came < (self.sent_before_wallet or 0):
            self.receive()
        self.mirror.reconcile(self.wallet, self.asked)
        self.hear(self.mirror.balances())
        self.asked = self.sent_before_wallet = None

    @rule()
    def agree(self) -> None:
        """When all frames have come, what is known is what is so."""
        while self.came < len(self.frames):
            self.receive()
        self.wait()
        known = {each.asset: each for each in self.mirror.balances()}
        assert known == {asset: moments[-1] for asset, moments in self.was.items()}


TestMirrorModel = MirrorModel.TestCase
TestMirrorModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
