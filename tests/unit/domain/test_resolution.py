from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.orders import Order, OrderStatus
from gateway.domain.placements import Answer, Answered, OpenOrder, Placement, PlacementState
from gateway.domain.resolution import Picture, unexplained, verdicts, without_history
from tests.unit.domain.resolution_cases import (
    AFTER,
    BTC,
    FAST,
    LIMIT,
    OLD,
    SIGNED,
    TERMS,
    TOO_LONG,
    USDT,
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
NOT_SENT = Answered(Answer.NOT_SENT, SIGNED)
TWICE = (picture(AFTER), picture(AFTER + TERMS.spacing))


def refused(code: str) -> Answered:
    return Answered(Answer.REFUSED, SIGNED, exchange_code=code)


# An answer that came late


@pytest.mark.parametrize("state", [S.UNKNOWN, S.IN_DOUBT, S.NOT_PLACED])
def test_a_late_answer_with_an_order_settles_it_whatever_was_found_before(state: S) -> None:
    answered = Answered(Answer.ACCEPTED, SIGNED, order=order("o1"))
    verdict = only(case(replace(intent(state=state), answered=answered), pictures=()))
    assert verdict is not None
    assert (verdict.state, verdict.order) == (S.ACCEPTED, order("o1"))


def test_a_late_answer_whose_order_is_another_s_is_a_person_s_to_judge() -> None:
    answered = Answered(Answer.ACCEPTED, SIGNED, order=order("o1"))
    known = case(replace(intent(), answered=answered), now=TOO_LONG, pictures=())
    verdict = only(replace(known, claimed_orders=frozenset({"o1"})))
    assert verdict is not None
    assert verdict.state is S.IN_DOUBT
    assert "that it is order o1, which is on record as another's" in verdict.evidence


@pytest.mark.parametrize(
    ("state", "answered", "found"),
    [
        pytest.param(S.UNKNOWN, refused("10031"), S.REJECTED, id="refused"),
        pytest.param(S.UNKNOWN, NOT_SENT, S.NOT_PLACED, id="not-sent"),
        pytest.param(S.IN_DOUBT, refused("10031"), S.NOT_PLACED, id="refused-while-in-doubt"),
        pytest.param(S.IN_DOUBT, NOT_SENT, S.NOT_PLACED, id="not-sent-while-in-doubt"),
        pytest.param(S.NOT_PLACED, refused("10031"), None, id="refused-what-was-given-up"),
        pytest.param(S.UNKNOWN, refused("10041"), None, id="refused-but-perhaps-traded"),
    ],
)
def test_a_late_refusal_settles_what_it_proves(state: S, answered: Answered, found: S) -> None:
    placement = replace(intent(state=state), answered=answered)
    assert state_of(case(placement, pictures=())) is found


# Silence


def test_two_spaced_readings_after_window_and_guard_prove_that_nothing_was_placed() -> None:
    verdict = only(case(intent(), pictures=TWICE))
    assert verdict is not None
    assert verdict.state is S.NOT_PLACED
    assert "two readings, 1 s apart" in verdict.evidence


@pytest.mark.parametrize(
    "pictures",
    [
        pytest.param(TWICE[:1], id="one"),
        pytest.param((picture(AFTER - 1), TWICE[1]), id="one-before-the-guard-was-over"),
        pytest.param((TWICE[0], picture(AFTER + TERMS.spacing - 1)), id="too-close"),
        pytest.param((TWICE[0], picture(AFTER + 1_000, whole=False)), id="stream-broken"),
        pytest.param((picture(AFTER, whole=False), TWICE[1]), id="stream-broken-before"),
        pytest.param((*TWICE, picture(AFTER + 2_000, whole=False)), id="stream-broken-since"),
        pytest.param(
            (picture(AFTER - 1, orders=(order("o1"), order("o2"))), TWICE[0]), id="only-one-after"
        ),
        pytest.param(
            (picture(AFTER, orders=(order("o1"), order("o2"))), TWICE[1], picture(AFTER + 2_000)),
            id="something-was-seen",
        ),
    ],
)
def test_less_than_two_good_readings_prove_nothing(pictures: tuple[Picture, ...]) -> None:
    assert state_of(case(intent(), pictures=pictures)) is None


def test_a_stream_that_began_with_the_baseline_proves_nothing() -> None:
    late = tuple(replace(each, stream_since=SIGNED - 1_009) for each in TWICE)
    assert state_of(case(intent(), pictures=late)) is None
    late = tuple(replace(each, stream_since=SIGNED - 1_010) for each in TWICE)
    assert state_of(case(intent(), pictures=late)) is S.NOT_PLACED


def test_silence_proves_nothing_where_the_window_is_not_enforced() -> None:
    assert state_of(case(intent(), pictures=TWICE), replace(TERMS, fenced=False)) is None


def test_silence_proves_nothing_while_the_balances_moved_by_something_else() -> None:
    moved = {**TWICE[1].totals, "USDT": Decimal(1)}
    assert state_of(case(intent(), pictures=(TWICE[0], replace(TWICE[1], totals=moved)))) is None


def test_silence_proves_nothing_while_a_fill_may_be_its_own() -> None:
    traded = tuple(picture(AFTER + at, new=(fill(3),)) for at in (0, 1_000))
    assert state_of(case(intent(), pictures=traded)) is None


def test_silence_proves_nothing_while_an_order_of_an_earlier_time_was_not_open_before() -> None:
    early = tuple(picture(AFTER + at, orders=(order("o1", at=-1_200),)) for at in (0, 1_000))
    assert state_of(case(intent(), pictures=early)) is None
    before = replace(intent(), baseline=baseline(orders=(OpenOrder("o1", Decimal(0)),)))
    assert state_of(case(before, pictures=early)) is S.NOT_PLACED
    verdict = only(case(intent(), now=TOO_LONG, pictures=early))
    assert verdict is not None
    assert "order(s) o1 may have its terms" in verdict.evidence


@pytest.mark.parametrize(
    ("price", "found"),
    [pytest.param(100, None, id="its-price"), pytest.param(101, S.NOT_PLACED, id="another")],
)
def test_silence_proves_nothing_while_a_new_fill_of_an_earlier_time_has_its_terms(
    price: int, found: S | None
) -> None:
    traded = tuple(
        picture(AFTER + at, new=(fill(10, price=price, at=-1_200),)) for at in (0, 1_000)
    )
    assert state_of(case(intent(), pictures=traded)) is found


def test_fills_of_an_order_that_is_known_are_not_its_own() -> None:
    other = order("o2", replace(LIMIT, quantity=Decimal(3)), status=FILLED, filled=3)
    traded = tuple(picture(AFTER + at, new=(fill(3),), ended=(other,)) for at in (0, 1_000))
    assert state_of(case(intent(), pictures=traded)) is S.NOT_PLACED


def late_fills_of(*orders: Order, told: int) -> Placement:
    """A placement whose baseline lists a fill of 3, of which its orders told so much."""
    stood = tuple(OpenOrder(each.order_id or "", Decimal(told)) for each in orders)
    before = baseline(at=-5, orders=stood)
    totals = {"BTC": BTC - 3 + told, "USDT": USDT + 300 - told * 100}
    return replace(
        intent(), baseline=replace(before, fills=(fill(3, at=-20), *before.fills), totals=totals)
    )


@pytest.mark.parametrize("told", [0, 3])
def test_what_an_order_before_it_filled_is_that_order_s_though_its_frame_came_later(
    told: int,
) -> None:
    other = order("o2", replace(LIMIT, quantity=Decimal(7)), at=-9_000, status=FILLED, filled=7)
    traded = tuple(
        replace(shown, fills=(*shown.fills[:1], fill(3, at=-20), OLD))
        for shown in (picture(AFTER + at, new=(fill(4),), ended=(other,)) for at in (0, 1_000))
    )
    placement = late_fills_of(other, told=told)
    assert state_of(case(placement, pictures=traded)) is S.NOT_PLACED
    more = tuple(
        replace(shown, ended=(replace(other, quantity=Decimal(8), filled_quantity=Decimal(8)),))
        for shown in traded
    )
    assert state_of(case(placement, pictures=more)) is None


@pytest.mark.parametrize("balances_told", [0, 3, 6])
def test_fills_that_another_order_may_have_had_before_do_not_hide_what_it_traded(
    balances_told: int,
) -> None:
    """Of the other's 6, listed before, no frame had told; of the refused one 3 were traded."""
    other = order("o2", replace(LIMIT, price=Decimal(105)), at=-9_000, filled=6)
    late = (fill(3, at=-20), fill(3, at=-30), OLD)
    told = {"BTC": BTC - 6 + balances_told, "USDT": USDT + 600 - balances_told * 100}
    before = baseline(at=-5, orders=(OpenOrder("o2", Decimal(0)),))
    refused_one = replace(
        intent(),
        baseline=replace(before, fills=late, totals=told),
        answered=refused("10041"),
    )
    traded = tuple(
        replace(picture(AFTER + at, new=(fill(3),), orders=(other,)), fills=(fill(3), *late))
        for at in (0, 1_000)
    )
    assert state_of(case(refused_one, pictures=traded)) is None
    silent = tuple(replace(each, fills=late, totals={"BTC": BTC, "USDT": USDT}) for each in traded)
    assert state_of(case(refused_one, pictures=silent)) is S.REJECTED


def test_silence_proves_nothing_of_what_the_exchange_said_it_placed() -> None:
    placed = replace(intent(), answered=Answered(Answer.ACCEPTED, SIGNED, order=order("o1")))
    known = replace(case(placed, pictures=TWICE), claimed_orders=frozenset({"o1"}))
    assert state_of(known) is None


def test_an_order_that_was_over_before_it_has_filled_nothing_since() -> None:
    brief = order("o2", replace(LIMIT, quantity=Decimal(3)), at=-20, status=FILLED, filled=3)
    rests = order("o3", replace(LIMIT, quantity=Decimal(9)), filled=4)
    traded = tuple(
        picture(AFTER + at, new=(fill(4),), ended=(brief,), orders=(rests,)) for at in (0, 1_000)
    )
    assert state_of(case(intent(), pictures=traded)) is None
    knowing = replace(intent(), baseline=replace(baseline(), ended=("o2",)))
    assert state_of(case(knowing, pictures=traded)) is S.NOT_PLACED


def test_without_a_baseline_silence_proves_nothing() -> None:
    placement = replace(intent(), baseline=None)
    assert state_of(case(placement, pictures=TWICE)) is None
    verdict = only(case(placement, now=TOO_LONG, pictures=TWICE))
    assert verdict is not None
    assert "nothing is on record of what stood before it" in verdict.evidence


def test_what_was_refused_for_wash_trading_and_did_not_trade_is_rejected_without_a_stream() -> None:
    placement = replace(intent(), answered=refused("10041"))
    unseen = tuple(replace(each, stream_since=None) for each in TWICE)
    assert state_of(case(placement, pictures=unseen)) is S.REJECTED
    assert state_of(case(replace(placement, state=S.IN_DOUBT), pictures=unseen)) is S.NOT_PLACED


def test_what_was_refused_for_wash_trading_but_may_have_traded_is_not_rejected() -> None:
    placement = replace(intent(), answered=refused("10041"))
    traded = tuple(picture(AFTER + at, new=(fill(3),)) for at in (0, 1_000))
    assert state_of(case(placement, pictures=traded)) is None


def test_what_is_in_doubt_is_still_found_not_to_be_placed() -> None:
    assert state_of(case(intent(state=S.IN_DOUBT), pictures=TWICE)) is S.NOT_PLACED


# Doubt


def test_an_outcome_that_stays_unknown_is_a_person_s_to_judge_after_a_time() -> None:
    assert state_of(case(intent(), now=TOO_LONG - 1, pictures=())) is None
    verdict = only(case(replace(intent(), evidence="timed out"), now=TOO_LONG, pictures=()))
    assert verdict is not None
    assert verdict.state is S.IN_DOUBT
    assert verdict.evidence == (
        "timed out; nothing is certain after 40 s: the account could not be read"
    )


def test_what_is_in_doubt_is_not_found_so_again() -> None:
    assert state_of(case(intent(state=S.IN_DOUBT), now=TOO_LONG, pictures=())) is None


def test_doubt_tells_the_orders_and_fills_it_is_about_and_what_was_missing() -> None:
    shown = picture(TOO_LONG, orders=(order("o1"), order("o2")), new=(fill(3),), whole=False)
    verdict = only(
        case(intent(), pictures=(replace(shown, totals={}),)), replace(TERMS, fenced=False)
    )
    assert verdict is not None
    for told in (
        "order(s) o1, o2 have its terms, but it is not certain that they are its own",
        "1 new fill(s) of 3 in all may be its own",
        "the balances moved by more than the new fills",
        "the account's stream was interrupted",
        "not seen to enforce the window",
    ):
        assert told in verdict.evidence


def test_while_records_may_be_lost_what_is_seen_proves_nothing() -> None:
    lost = case(intent(), pictures=(picture(AFTER, orders=(order("o1"),)),))
    assert state_of(lost) is S.ACCEPTED
    assert state_of(replace(lost, quarantined=True)) is None
    assert state_of(replace(case(intent(), pictures=TWICE), quarantined=True)) is None
    verdict = only(replace(lost, quarantined=True, now=SIGNED + TOO_LONG))
    assert verdict is not None
    assert verdict.state is S.IN_DOUBT
    assert "the journal may have lost records of the account" in verdict.evidence


# What nobody explains


def test_an_order_that_no_placement_may_be_is_external() -> None:
    other = order("o2", replace(LIMIT, quantity=Decimal(3)))
    known = case(intent(), pictures=())
    assert unexplained(known, (order("o1"), other)) == (other,)


def test_an_order_that_stood_before_is_none_of_the_placement() -> None:
    before = baseline(orders=(OpenOrder("o1", Decimal(0)),))
    known = case(replace(intent(), baseline=before), pictures=())
    assert unexplained(known, (order("o1"),)) == (order("o1"),)


@pytest.mark.parametrize("state", [S.UNKNOWN, S.IN_DOUBT, S.SENDING, S.NOT_PLACED])
def test_an_order_that_a_placement_may_be_is_not_external(state: S) -> None:
    assert unexplained(case(intent(state=state), pictures=()), (order("o1"),)) == ()


def test_an_order_that_is_somewhat_older_than_its_placement_is_not_external() -> None:
    old, older = order("o1", at=-60_000), order("o2", at=-60_001)
    assert unexplained(case(intent(), pictures=()), (old, older)) == (older,)


def test_a_fast_order_that_does_not_tell_what_it_was_to_spend_is_not_external() -> None:
    told = replace(order("o1", FAST), quantity=Decimal(4))
    assert unexplained(case(intent(FAST), pictures=()), (told,)) == ()


def test_an_order_on_record_is_not_external() -> None:
    known = replace(case(pictures=()), claimed_orders=frozenset({"o1"}))
    assert unexplained(known, (order("o1"), order("o2"))) == (order("o2"),)


def test_an_order_that_the_stream_calls_otherwise_is_known_by_its_terms_and_time() -> None:
    accepted = replace(intent(state=S.ACCEPTED), order=order("o1"))
    assert unexplained(case(accepted, pictures=()), (order("other"),)) == ()


# Of a case, what is asked about


def test_only_who_is_asked_about_is_judged_and_the_others_may_still_be_who_an_order_is_of() -> None:
    twin = replace(intent(id_="p2"), state=S.IN_DOUBT)
    seen = (picture(100, orders=(order("o1"),)),)
    assert [each.placement.id for each in verdicts(case(intent(), pictures=seen), TERMS)] == ["p1"]
    assert verdicts(case(intent(), pictures=seen), TERMS, judged={"p2"}) == ()
    assert verdicts(case(intent(), twin, pictures=seen), TERMS, judged={"p1"}) == ()


def test_an_order_that_was_over_before_anybody_could_have_placed_it_is_left_out() -> None:
    long_ago, open_before = order("o0", at=-60_000), order("o1", at=-60_000)
    lately = order("o2", at=-500)
    known = replace(intent(), baseline=baseline(orders=(OpenOrder("o1", Decimal(0)),)))
    seen = picture(100, ended=(long_ago, open_before, lately))
    assert without_history(seen, (known,)).ended == (open_before, lately)
