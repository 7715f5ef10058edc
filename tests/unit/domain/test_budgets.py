from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.budgets import Bounds, Budget, Claim, Notional
from gateway.domain.durations import DAY_MS
from gateway.domain.errors import OverLimit
from tests.unit.store.examples import decimals

DAY = 20_000
NOON = DAY * DAY_MS + DAY_MS // 2
LIMIT = Decimal(1000)
A_DAY = Bounds(rule="trade", day_notional={"TRY": LIMIT})
TWO_OPEN = Bounds(rule="trade", open_orders=2)


def worth(total: str, asset: str = "TRY") -> Notional:
    return Notional(asset, Decimal(total))


def spend(budget: Budget, placement_id: str, total: str, now: int = NOON) -> Budget:
    return budget.reserve(placement_id, worth(total), A_DAY, now, rests=True)


def rest(budget: Budget, placement_id: str, now: int = NOON) -> Budget:
    return budget.reserve(placement_id, None, TWO_OPEN, now, rests=True)


def refusal(budget: Budget, total: str, now: int = NOON) -> OverLimit:
    with pytest.raises(OverLimit) as refused:
        spend(budget, "refused", total, now)
    return refused.value


def test_orders_of_a_day_fit_up_to_the_very_limit() -> None:
    budget = spend(spend(Budget(), "p1", "400"), "p2", "600")
    assert budget.spent == {"TRY": LIMIT}
    refused = refusal(budget, "0.00000001")
    assert (refused.rule, refused.limit) == ("trade", "day_notional")


def test_a_refusal_gives_the_figures_and_the_time_until_the_next_day() -> None:
    refused = refusal(spend(Budget(), "p1", "400.50"), "600")
    assert refused.problem == "the order counts 600 TRY; 599.5 of 1000 are left until 00:00 UTC"
    assert refused.retry_after == 12 * 3600


def test_an_order_beyond_a_whole_day_is_not_told_to_come_back() -> None:
    assert refusal(Budget(), "1000.01").retry_after is None


def test_a_limit_that_was_lowered_below_what_is_spent_leaves_nothing() -> None:
    lowered = Bounds(rule="trade", day_notional={"TRY": Decimal(100)})
    with pytest.raises(OverLimit, match="; 0 of 100 are left"):
        spend(Budget(), "p1", "400").reserve("p2", worth("1"), lowered, NOON, rests=False)


def test_an_asset_that_is_not_listed_has_no_share() -> None:
    with pytest.raises(OverLimit, match="day_notional: orders priced in USDT have no share"):
        Budget().reserve("p1", worth("1", "USDT"), A_DAY, NOON, rests=True)


def test_each_asset_has_a_share_of_its_own() -> None:
    bounds = Bounds(rule="trade", day_notional={"TRY": LIMIT, "USDT": Decimal(5)})
    budget = Budget().reserve("p1", worth("1000"), bounds, NOON, rests=False)
    budget = budget.reserve("p2", worth("5", "USDT"), bounds, NOON, rests=False)
    assert budget.spent == {"TRY": Decimal(1000), "USDT": Decimal(5)}


def test_a_new_utc_day_begins_with_nothing_spent() -> None:
    budget = spend(Budget(), "p1", "1000", now=(DAY + 1) * DAY_MS - 1)
    assert spend(budget, "p2", "1000", now=(DAY + 1) * DAY_MS).spent == {"TRY": LIMIT}


def test_a_replica_whose_clock_is_behind_brings_no_day_back() -> None:
    today = spend(Budget(), "p1", "1000")
    assert refusal(today, "1", now=NOON - DAY_MS).limit == "day_notional"


def test_what_never_stood_is_given_back() -> None:
    budget = spend(spend(Budget(), "p1", "400"), "p2", "600").release("p1")
    assert budget.spent == {"TRY": Decimal(600)}
    assert set(budget.claims) == {"p2"}


def test_what_was_given_up_and_turns_up_late_counts_again_whatever_the_limit() -> None:
    given_up = spend(Budget(), "late", "600").give_up("late")
    assert given_up.spent == {"TRY": 0}
    assert given_up.claims == {}
    late = spend(given_up, "p2", "900").accepted("late", None)
    assert late.spent == {"TRY": 1500}
    assert late.given_up == {}
    resting = rest(Budget(), "late").give_up("late").accepted("late", "o1")
    assert resting.order_ids() == {"o1"}


def test_what_was_given_up_yesterday_takes_nothing_of_today() -> None:
    given_up = spend(Budget(), "late", "600").give_up("late")
    assert given_up.at(NOON + DAY_MS).accepted("late", None).spent == {}
    assert given_up.at(NOON + 2 * DAY_MS).given_up == {}


def test_what_is_given_back_a_day_later_adds_nothing_to_the_new_day() -> None:
    budget = spend(spend(Budget(), "p1", "400"), "p2", "1000", now=NOON + DAY_MS)
    assert budget.release("p1").spent == {"TRY": LIMIT}


def test_what_was_spent_stays_spent_when_its_order_is_accepted_or_gone() -> None:
    bounds = Bounds(rule="trade", day_notional={"TRY": LIMIT}, open_orders=1)
    budget = Budget().reserve("p1", worth("400"), bounds, NOON, rests=True)
    ended = budget.accepted("p1", "o1").closed({"o1"})
    assert (ended.spent, ended.claims) == ({"TRY": Decimal(400)}, {})


def test_no_more_orders_may_be_open_than_the_limit() -> None:
    budget = rest(rest(Budget(), "p1").accepted("p1", "o1"), "p2")
    with pytest.raises(OverLimit, match="open_orders: 2 of 2 orders may be open") as refused:
        rest(budget, "p3")
    assert refused.value.retry_after is None
    assert set(rest(budget.closed({"o1", "other"}), "p3").claims) == {"p2", "p3"}


def test_an_order_that_does_not_rest_takes_no_place() -> None:
    budget = rest(rest(Budget(), "p1"), "p2")
    kept = budget.reserve("market", None, TWO_OPEN, NOON, rests=False)
    assert not kept.claims["market"].rests
    assert set(budget.accepted("p1", None).claims) == {"p2"}


def test_an_accepted_order_is_kept_only_where_open_orders_are_counted() -> None:
    assert spend(Budget(), "p1", "1").accepted("p1", "o1").claims == {}


def test_an_accepted_order_counts_as_open_however_old_it_is() -> None:
    budget = rest(Budget(), "p1").accepted("p1", "o1")
    assert budget.at(NOON + 400 * DAY_MS).order_ids() == {"o1"}


def test_an_order_that_nobody_knows_keeps_its_place_until_somebody_does() -> None:
    in_doubt = rest(rest(Budget(), "p1"), "p2").at(NOON + 30 * DAY_MS)
    assert in_doubt.claims == dict.fromkeys(("p1", "p2"), Claim(day=DAY, rests=True))
    with pytest.raises(OverLimit):
        rest(in_doubt, "p3")
    assert in_doubt.release("p1").accepted("p2", None).claims == {}


@pytest.mark.parametrize("bounds", [A_DAY, TWO_OPEN], ids=["notional", "open"])
def test_claiming_twice_is_as_once(bounds: Bounds) -> None:
    once = Budget().reserve("p1", worth("600"), bounds, NOON, rests=True)
    assert once.reserve("p1", worth("600"), bounds, NOON, rests=True) == once


def test_what_is_not_known_is_neither_released_nor_accepted() -> None:
    budget = rest(Budget(), "p1")
    assert budget.release("p2") == budget.accepted("p2", "o2") == budget.closed({"o2"}) == budget


@given(decimals.map(abs), decimals.map(abs), decimals.map(abs))
def test_the_limit_is_kept_to_the_last_digit(limit: Decimal, one: Decimal, two: Decimal) -> None:
    bounds = Bounds(rule="trade", day_notional={"TRY": limit})
    budget = Budget()
    for placement_id, total in (("p1", one), ("p2", two)):
        left = Fraction(limit) - sum(map(Fraction, budget.spent.values()))
        try:
            notional = Notional("TRY", total)
            budget = budget.reserve(placement_id, notional, bounds, NOON, rests=False)
        except OverLimit:
            assert Fraction(total) > left
        else:
            assert Fraction(total) <= left


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "release", "accept", "close", "wait"]),
        st.integers(0, 4),
        st.integers(0, 400),
    ),
    max_size=30,
)


@given(_STEPS)
def test_in_any_course_of_events_no_bound_is_ever_exceeded(
    steps: list[tuple[str, int, int]],
) -> None:
    bounds = Bounds(rule="trade", day_notional={"TRY": LIMIT}, open_orders=2)
    budget, now = Budget(), NOON
    for kind, number, total in steps:
        now += DAY_MS // 3 * (kind == "wait")
        try:
            budget = _after(budget, kind, f"p{number}", bounds, now, worth(str(total)))
        except OverLimit:
            continue
        _check(budget.spent, budget.claims)


def _after(
    budget: Budget, kind: str, placement_id: str, bounds: Bounds, now: int, notional: Notional
) -> Budget:
    match kind:
        case "reserve":
            return budget.reserve(placement_id, notional, bounds, now, rests=True)
        case "release":
            return budget.release(placement_id)
        case "accept":
            return budget.accepted(placement_id, f"order of {placement_id}")
        case "close":
            return budget.closed({f"order of {placement_id}"})
        case _:
            return budget.at(now)


def _check(spent: Mapping[str, Decimal], claims: Mapping[str, Claim]) -> None:
    assert Decimal(0) <= spent.get("TRY", Decimal(0)) <= LIMIT
    assert sum(claim.rests for claim in claims.values()) <= 2
