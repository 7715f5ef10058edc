from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.account import Fill
from gateway.domain.market import Market, OrderSide
from gateway.domain.resolution import fill_names
from gateway.domain.resolution_fills import (
    NamedFill,
    balances_agree,
    made_up_by,
    new_fills,
    only_choice,
)
from tests.unit.domain.resolution_cases import BTC, USDT, baseline, fill

MARKETS = {
    "BTCUSDT": Market("BTCUSDT", "Bitcoin", "BTC", "USDT"),
    "ETHUSDT": Market("ETHUSDT", "Ethereum", "ETH", "USDT"),
}
ELSEWHERE = replace(fill(2, price=50), symbol="ETHUSDT", fee_asset="ETH")

histories = st.lists(st.integers(0, 3), max_size=80).map(
    lambda steps: tuple(
        fill(1 + step % 2, at=sum(steps[: at + 1])) for at, step in enumerate(steps)
    )
)
"""An account's fills, oldest first; some at the same time, and some of those equal."""


def listed(fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
    return fills[::-1][:50]


def names(fills: tuple[NamedFill, ...] | None) -> tuple[str, ...] | None:
    return None if fills is None else tuple(each.name for each in fills)


@given(histories, st.integers(0, 80))
def test_new_fills_are_exactly_those_that_came_since_or_it_is_said_that_some_may_be_missing(
    history: tuple[Fill, ...], before: int
) -> None:
    found = names(new_fills(listed(history[:before]), listed(history)))
    assert found in (None, fill_names(history[::-1])[: max(0, len(history) - before)])


def test_new_fills_are_found_as_long_as_one_of_before_is_listed() -> None:
    history = tuple(fill(1, at=at) for at in range(60))
    assert names(new_fills(listed(history[:11]), listed(history))) == fill_names(history[:10:-1])
    assert new_fills(listed(history[:10]), listed(history)) is None


def test_a_new_fill_as_old_as_the_last_that_is_listed_may_not_be_the_only_one() -> None:
    before, new = fill(1, at=0), tuple(fill(2, at=0) for _ in range(49))
    assert new_fills((before,), (*new[:48], before)) is not None
    assert new_fills((before,), (*new, before)) is None


def test_fifty_fills_of_an_account_that_had_none_may_not_be_all() -> None:
    fills = tuple(fill(1, at=-at) for at in range(50))
    assert new_fills((), fills[:49]) is not None
    assert new_fills((), fills) is None


def test_fills_that_do_not_reach_back_may_not_be_all() -> None:
    fills = tuple(fill(1, at=-at) for at in range(50))
    assert new_fills((fill(1, at=-100),), fills) is None


def test_a_name_is_the_same_however_the_figures_are_written_and_whatever_came_since() -> None:
    first, again = fill("1.0"), fill("1.00")
    assert fill_names((first,)) == fill_names((again,))
    assert fill_names((fill(2, at=60), again, first))[1:] == fill_names((again, first))


def test_equal_fills_have_names_of_their_own() -> None:
    assert len(set(fill_names((fill(1),) * 3))) == 3


def test_balances_agree_when_the_new_fills_are_all_that_moved_them() -> None:
    made = replace(fill(2), fee=Decimal("0.004"))
    totals = {"BTC": BTC + Decimal("1.996"), "USDT": USDT - 200}
    assert balances_agree(baseline(), (made,), totals, MARKETS)
    assert not balances_agree(baseline(), (made,), {**totals, "USDT": USDT}, MARKETS)
    assert not balances_agree(baseline(), (), totals, MARKETS)


def test_a_sale_moves_balances_the_other_way() -> None:
    made = replace(fill(2), side=OrderSide.SELL, fee=Decimal("0.4"), fee_asset="USDT")
    totals = {"BTC": BTC - 2, "USDT": USDT + Decimal("199.6")}
    assert balances_agree(baseline(), (made,), totals, MARKETS)


def test_a_fill_of_another_market_moves_the_asset_that_both_have() -> None:
    assert balances_agree(baseline(), (ELSEWHERE,), {"BTC": BTC, "USDT": USDT - 100}, MARKETS)


def test_a_fill_of_a_market_that_is_not_known_may_have_moved_anything() -> None:
    alone = {"BTCUSDT": MARKETS["BTCUSDT"]}
    assert not balances_agree(baseline(), (ELSEWHERE,), {"BTC": BTC, "USDT": USDT - 100}, alone)
    unrelated = replace(ELSEWHERE, symbol="XRPTRY", fee_asset="XRP")
    assert balances_agree(baseline(), (unrelated,), {"BTC": BTC, "USDT": USDT}, alone)


@pytest.mark.parametrize(("age", "agrees"), [(2_000, True), (2_001, False)])
def test_a_balance_may_lag_behind_the_newest_fills_of_its_baseline(age: int, agrees: bool) -> None:  # noqa: FBT001 - one of the cases
    before = baseline(at=0)
    before = replace(before, fills=(fill(2, at=-age), *before.fills))
    totals = {"BTC": BTC + 2, "USDT": USDT - 200}
    assert balances_agree(before, (), totals, MARKETS) is agrees


def test_one_balance_may_lag_further_behind_than_the_other() -> None:
    before = baseline(at=0)
    before = replace(before, fills=(fill(3, at=-1), fill(2, at=-2), *before.fills))
    totals = {"BTC": BTC + 3, "USDT": USDT - 500}
    assert balances_agree(before, (), totals, MARKETS)
    assert not balances_agree(before, (), {**totals, "BTC": BTC + 4}, MARKETS)


def test_a_quantity_is_made_up_in_one_way_or_not_at_all() -> None:
    fills = tuple(map(NamedFill, "abc", (fill(1), fill(2), fill(4))))
    assert only_choice(fills, Decimal(7)) == fills
    assert only_choice(fills, Decimal(5)) == (fills[0], fills[2])
    assert only_choice(fills, Decimal(8)) is None
    twice = (*fills, NamedFill("d", fill(3)))
    assert only_choice(twice, Decimal(3)) is None


def test_what_fills_make_up_is_a_sum_of_some_of_them_or_nothing() -> None:
    fills, asked = (fill(1), fill(2), fill(4)), [Decimal(each) for each in range(-1, 9)]
    assert made_up_by(fills, asked) == asked[1:9]
    assert made_up_by(fills[::2], asked) == [0, 1, 4, 5]
    assert made_up_by((), asked) == [0]
    many = tuple(fill(2) for _ in range(13))
    assert made_up_by(many[:12], map(Decimal, (3, 24, 26))) == [24]
    assert made_up_by(many, map(Decimal, (-1, 3, 26, 27))) == [3, 26]


def test_among_many_fills_it_is_not_tried() -> None:
    fills = tuple(NamedFill(str(each), fill(2**each)) for each in range(13))
    assert only_choice(fills[:12], Decimal(3)) == fills[:2]
    assert only_choice(fills, Decimal(3)) is None
