from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.account import Fill
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType
from gateway.domain.placements import OpenOrder, Placement, PlacementState
from gateway.domain.resolution import Picture, fill_names, verdicts
from tests.unit.domain.resolution_cases import (
    AFTER,
    FAST,
    LIMIT,
    MARKET,
    OLD,
    SIGNED,
    TERMS,
    TOO_LONG,
    WINDOW,
    baseline,
    case,
    fill,
    intent,
    only,
    order,
    picture,
    state_of,
)

S = PlacementState
FILLED = OrderStatus.FILLED
THREE = replace(LIMIT, quantity=Decimal(3))


STOP = OrderSpec(
    type=OrderType.STOP_LIMIT, stop_price=Decimal(95), price=Decimal(100), quantity=Decimal(10)
)


def _traded(quantity: int, *, at: int) -> Fill:
    return fill(quantity, at=at, type_=OrderType.MARKET)


def seen(*orders: Order, at: int = 3_000) -> tuple[Picture, ...]:
    return (picture(at, orders=orders),)


# By an order


def test_an_open_order_with_all_its_terms_is_the_placement_s() -> None:
    verdict = only(case(intent(), pictures=seen(order("o1"))))
    assert verdict is not None
    assert (verdict.state, verdict.order, verdict.claims) == (S.ACCEPTED, order("o1"), frozenset())
    assert (
        verdict.evidence == "order o1 (NEW, 0 of it filled) has all its terms and is nobody else's"
    )


def test_an_order_whose_end_the_stream_told_is_the_placement_s() -> None:
    gone = order("o1", status=OrderStatus.CANCELLED, filled=4)
    verdict = only(case(intent(), pictures=(picture(3_000, ended=(gone,), new=(fill(4),)),)))
    assert verdict is not None
    assert (verdict.state, verdict.order) == (S.ACCEPTED, gone)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(order(spec=replace(LIMIT, price=Decimal(101))), id="price"),
        pytest.param(order(spec=replace(LIMIT, quantity=Decimal(11))), id="quantity"),
        pytest.param(replace(order(), symbol="ETHUSDT"), id="symbol"),
        pytest.param(order(spec=MARKET), id="type"),
        pytest.param(order(at=-1_001), id="earlier"),
    ],
)
def test_an_order_with_another_term_is_not_the_placement_s(other: Order) -> None:
    assert state_of(case(intent(), pictures=seen(other))) is None


def test_an_order_that_stood_before_is_not_the_placement_s() -> None:
    placement = replace(intent(), baseline=baseline(orders=(OpenOrder("o1", Decimal(0)),)))
    assert state_of(case(placement, pictures=seen(order("o1")))) is None


def test_an_order_that_is_somebody_s_is_not_the_placement_s() -> None:
    known = case(intent(), pictures=seen(order("o1")))
    assert state_of(replace(known, claimed_orders=frozenset({"o1"}))) is None


def test_an_order_that_the_stream_calls_otherwise_is_one_with_that_of_the_list() -> None:
    named = order("by-the-stream", status=FILLED, filled=10)
    shown = picture(3_000, orders=(order("o1"),), ended=(named,), new=(fill(10),))
    verdict = only(case(intent(), pictures=(shown,)))
    assert verdict is not None
    assert verdict.order == replace(named, order_id="o1")


def test_the_end_of_an_accepted_market_order_is_not_taken_for_the_next_one() -> None:
    before = replace(
        intent(MARKET, id_="p0", state=S.ACCEPTED), order=order(None, MARKET, at=-300, filled=10)
    )
    ended = order("o0", MARKET, at=-300, status=FILLED, filled=10)
    known = case(before, intent(MARKET), pictures=(picture(3_000, ended=(ended,)),))
    assert state_of(known) is None


def test_two_orders_that_fit_are_a_tie() -> None:
    assert state_of(case(intent(), pictures=seen(order("o1"), order("o2")))) is None


@pytest.mark.parametrize("state", [S.UNKNOWN, S.IN_DOUBT, S.SENDING])
def test_an_order_that_fits_two_placements_is_a_tie(state: S) -> None:
    other = intent(id_="p2", state=state)
    assert verdicts(case(intent(), other, pictures=seen(order("o1"))), TERMS) == ()


def test_what_was_placed_late_is_found_and_said_to_be_late() -> None:
    late = order("o1", at=WINDOW + TERMS.guard + 2_500)
    for state in (S.UNKNOWN, S.NOT_PLACED):
        verdict = only(case(intent(state=state), pictures=seen(late, at=AFTER + 5_000)))
        assert verdict is not None
        assert verdict.state is S.ACCEPTED
        assert verdict.evidence.endswith("executed it 2.5 s after its window and the guard")


@pytest.mark.parametrize(
    ("later", "found"), [(TERMS.late_watch, S.ACCEPTED), (TERMS.late_watch + 1, None)]
)
def test_what_was_given_up_may_turn_out_to_be_placed_late_for_a_while_only(
    later: int, found: S | None
) -> None:
    at = WINDOW + TERMS.guard + later
    given_up = intent(state=S.NOT_PLACED)
    assert state_of(case(given_up, pictures=seen(order("o1", at=at), at=at + 500))) is found
    filled = picture(at + 2_500, new=(fill(10, at=at),))
    assert state_of(case(given_up, pictures=(filled,))) is found


def test_what_was_given_up_long_ago_is_no_rival_of_an_order_in_doubt() -> None:
    given_up, now = intent(id_="p0", state=S.NOT_PLACED), AFTER + TERMS.late_watch
    doubtful = intent(state=S.IN_DOUBT)
    known = case(given_up, doubtful, pictures=seen(order("o1", at=now), at=now + 500))
    verdict = only(known)
    assert verdict is not None
    assert (verdict.placement.id, verdict.state) == ("p1", S.ACCEPTED)


def test_of_two_orders_the_one_that_is_in_time_is_the_placement_s() -> None:
    late = order("o2", at=WINDOW + TERMS.guard + 2_500)
    verdict = only(case(intent(), pictures=seen(late, order("o1"), at=AFTER + 5_000)))
    assert verdict is not None
    assert verdict.order == order("o1")


def test_an_order_is_the_one_that_is_in_time_before_it_is_one_that_was_given_up() -> None:
    given_up, now = intent(id_="p0", state=S.NOT_PLACED), 60_000
    again = replace(intent(), signed_at=given_up.signed_at + now)
    verdict = only(case(given_up, again, pictures=seen(order("o1", at=now + 50), at=now + 3_000)))
    assert verdict is not None
    assert (verdict.placement.id, verdict.state) == ("p1", S.ACCEPTED)


def test_a_fast_order_is_known_by_what_it_spent() -> None:
    ended = replace(
        order("o1", FAST, status=FILLED), quantity=Decimal(10), filled_quantity=Decimal(10)
    )
    for price, found in ((100, S.ACCEPTED), (90, None)):
        made = fill(10, price=price, type_=OrderType.FAST)
        shown = picture(3_000, ended=(ended,), new=(made,))
        assert state_of(case(intent(FAST), pictures=(shown,))) is found


def test_a_fast_order_that_found_too_little_may_be_the_placement_s_or_not() -> None:
    ended = replace(
        order("o1", FAST, status=OrderStatus.CANCELLED),
        quantity=Decimal(10),
        filled_quantity=Decimal(4),
    )
    made = fill(4, type_=OrderType.FAST)
    shown = tuple(picture(AFTER + at, ended=(ended,), new=(made,)) for at in (0, 1_000))
    assert state_of(case(intent(FAST), pictures=shown)) is None


# By fills


def test_fills_that_are_the_whole_order_are_the_placement_s() -> None:
    new = (fill(6, price=99, at=60), fill(4, at=50))
    shown = picture(3_000, new=new, whole=False)
    verdict = only(case(intent(), pictures=(shown,)))
    assert verdict is not None
    assert verdict.claims == frozenset(fill_names(new))
    assert verdict.order == replace(
        order(None, at=50, status=FILLED, filled=10), filled_total=Decimal(994)
    )
    assert "2 new fill(s) of 10 for 994 in all are the whole order" in verdict.evidence


@pytest.mark.parametrize(
    "new",
    [
        pytest.param((fill(9),), id="too-little"),
        pytest.param((fill(9), fill(2)), id="too-much"),
        pytest.param((fill(10, price=101),), id="worse-price"),
        pytest.param((fill(10, at=-1_001),), id="earlier"),
        pytest.param((fill(10, type_=OrderType.MARKET),), id="another-type"),
    ],
)
def test_fills_that_are_not_the_whole_order_prove_nothing(new: tuple) -> None:  # type: ignore[type-arg]
    assert state_of(case(intent(), pictures=(picture(3_000, new=new, whole=False),))) is None


@pytest.mark.parametrize(
    ("spec", "new"),
    [
        pytest.param(LIMIT, (fill(6, price=99, at=1_051), fill(4, at=50)), id="not-of-one-moment"),
        pytest.param(MARKET, (_traded(6, at=1_051), _traded(4, at=50)), id="nor-these"),
        pytest.param(LIMIT, (fill(10, at=AFTER),), id="after-window-and-guard"),
        pytest.param(STOP, (fill(10, type_=OrderType.STOP_LIMIT),), id="a-stop-order-rests-first"),
    ],
)
def test_in_a_broken_stream_fills_that_another_order_may_have_made_prove_nothing(
    spec: OrderSpec, new: tuple[Fill, ...]
) -> None:
    for whole, found in ((False, None), (True, S.ACCEPTED)):
        shown = picture(AFTER + 5_000, new=new, whole=whole)
        assert state_of(case(intent(spec), pictures=(shown,))) is found


def test_fills_that_prove_nothing_are_named_to_whoever_judges_the_order() -> None:
    shown = picture(TOO_LONG, new=(fill(6, at=3_000), fill(4, at=50)), whole=False)
    verdict = only(case(intent(), pictures=(shown,)))
    assert verdict is not None
    assert verdict.state is S.IN_DOUBT
    assert "2 new fill(s) of 10 in all may be its own" in verdict.evidence
    assert "the account's stream was interrupted" in verdict.evidence


def test_fills_prove_nothing_while_the_balances_moved_by_something_else() -> None:
    shown = replace(picture(3_000, new=(fill(10),), whole=False), totals={"BTC": Decimal(5)})
    assert state_of(case(intent(), pictures=(shown,))) is None


def test_fills_that_are_somebody_s_are_not_the_placement_s() -> None:
    made = (fill(10),)
    known = case(intent(), pictures=(picture(3_000, new=made, whole=False),))
    assert state_of(replace(known, claimed_fills=frozenset(fill_names(made)))) is None


def test_fills_that_another_order_accounts_for_are_left_to_it() -> None:
    other = order("o2", THREE, status=FILLED, filled=3)
    new = (fill(10, at=60), fill(3, at=50))
    for ended, claims in (((other,), frozenset(fill_names(new[:1]))), ((), None)):
        verdict = only(
            case(intent(), pictures=(picture(3_000, ended=ended, new=new, whole=False),))
        )
        assert (verdict and verdict.claims) == claims


def test_fills_prove_nothing_while_the_order_of_a_later_one_may_yet_be_told() -> None:
    """What it had is not its own: o3 had that, and o4, which nobody knows yet, the later one."""
    known = order("o3", replace(LIMIT, price=Decimal(105)), status=FILLED, filled=10)
    new = (fill(10, price=105, at=2_990), fill(10, at=50))
    for placement in (intent(), intent(state=S.NOT_PLACED)):
        early, later = (picture(at, new=new, ended=(known,)) for at in (3_000, 4_990))
        assert state_of(case(placement, pictures=(early,))) is None
        assert state_of(case(placement, pictures=(later,))) is S.ACCEPTED


@pytest.mark.parametrize("placed", [-2_000, -2_001])
def test_fills_may_be_of_an_order_just_before_it_that_the_stream_had_not_told(placed: int) -> None:
    other = order("o5", replace(LIMIT, price=Decimal(101)), at=placed - 10, filled=10)
    followed = replace(baseline(), stream_since=SIGNED - 60_000)
    placement = replace(intent(), baseline=followed)
    ended = picture(3_000, new=(fill(10),), ended=(replace(other, status=FILLED),))
    found = S.ACCEPTED if placed < -2_000 else None
    assert state_of(case(placement, pictures=(ended,))) is found
    rests = picture(3_000, new=(fill(10),), orders=(replace(other, quantity=Decimal(20)),))
    assert state_of(case(placement, pictures=(rests,))) is None


def test_an_order_whose_fills_came_before_it_is_not_the_placement_s() -> None:
    """The reply to a market order has no id: by another time the stream's row seems another's."""
    made = fill(10, at=-400, type_=OrderType.MARKET)
    before = replace(baseline(), fills=(made, OLD))
    told = order("m1", MARKET, at=-399, status=FILLED, filled=10)
    shown = replace(picture(3_000, ended=(told,)), fills=(made, OLD))
    assert state_of(case(replace(intent(MARKET), baseline=before), pictures=(shown,))) is None


def test_fills_prove_nothing_when_an_order_that_stood_before_is_gone() -> None:
    placement = replace(intent(), baseline=baseline(orders=(OpenOrder("o9", Decimal(0)),)))
    assert (
        state_of(case(placement, pictures=(picture(3_000, new=(fill(10),), whole=False),))) is None
    )


def test_growth_of_an_order_that_stood_before_is_its_own() -> None:
    before = baseline(orders=(OpenOrder("o9", Decimal(2)),))
    placement = replace(intent(), baseline=before)
    standing = order("o9", at=-60_000, status=OrderStatus.PARTIALLY_FILLED, filled=5)
    new = (fill(10, at=60), fill(3, at=50))
    verdict = only(
        case(placement, pictures=(picture(3_000, orders=(standing,), new=new, whole=False),))
    )
    assert verdict is not None
    assert verdict.claims == frozenset(fill_names(new[:1]))


def test_fills_that_another_placement_may_have_made_prove_nothing() -> None:
    shown = picture(3_000, new=(fill(10),), whole=False)
    for other in (intent(id_="p2", state=S.SENDING), intent(replace(LIMIT, quantity=Decimal(40)))):
        known = case(intent(id_="p1"), replace(other, id="p2"), pictures=(shown,))
        assert verdicts(known, TERMS) == ()


def test_fills_of_an_accepted_market_order_are_not_taken_for_the_one_that_was_given_up() -> None:
    given_up = intent(MARKET, id_="p0", state=S.NOT_PLACED)
    told = order(None, MARKET, at=20_000, filled=10)
    accepted = replace(intent(MARKET, state=S.ACCEPTED), order=told)
    made = fill(10, at=20_000, type_=OrderType.MARKET)
    shown = picture(25_000, new=(made,), whole=False)
    assert state_of(case(given_up, accepted, pictures=(shown,))) is None
    assert state_of(case(given_up, pictures=(shown,))) is S.ACCEPTED


def test_while_the_stream_is_whole_it_is_given_time_to_tell_the_order_s_id() -> None:
    soon, later = (picture(at, new=(fill(10, at=50),)) for at in (2_049, 2_050))
    assert state_of(case(intent(), pictures=(soon,))) is None
    assert state_of(case(intent(), pictures=(later,))) is S.ACCEPTED


@pytest.mark.parametrize(
    ("placement", "price", "found"),
    [
        pytest.param(intent(MARKET), 500, S.ACCEPTED, id="market-at-any-price"),
        pytest.param(intent(FAST), 100, S.ACCEPTED, id="fast-that-spent-all"),
        pytest.param(intent(FAST), 90, None, id="fast-that-spent-less"),
        pytest.param(intent(FAST), 101, None, id="fast-that-spent-more"),
    ],
)
def test_fills_of_orders_that_are_executed_at_once(
    placement: Placement, price: int, found: S | None
) -> None:
    made = fill(10, price=price, type_=placement.command.type)
    assert state_of(case(placement, pictures=(picture(3_000, new=(made,), whole=False),))) is found


def test_without_the_market_s_step_no_fills_are_known_to_be_a_fast_order() -> None:
    made = fill(10, type_=OrderType.FAST)
    known = case(intent(FAST), pictures=(picture(3_000, new=(made,), whole=False),))
    assert state_of(replace(known, quantity_steps={})) is None


def test_a_stop_order_is_known_by_its_stop_price_too() -> None:
    spec = OrderSpec(
        type=OrderType.STOP_LIMIT,
        stop_price=Decimal(105),
        price=Decimal(106),
        quantity=Decimal(10),
    )
    other = order("o1", replace(spec, stop_price=Decimal(104)))
    assert state_of(case(intent(spec), pictures=seen(other))) is None
    assert state_of(case(intent(spec), pictures=seen(order("o1", spec)))) is S.ACCEPTED
