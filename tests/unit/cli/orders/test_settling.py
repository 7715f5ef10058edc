"""`orders resolve` and `cancel-all`: what they say, and their exit status."""

from typing import Any

import pytest

from gateway.cli.orders.looking import details
from gateway.cli.orders.settling import cancel, settle
from tests.unit.cli.answering import gateway
from tests.unit.cli.orders.test_looking import SETTLED

JUDGEMENT = {"id": "demo.1", "outcome": "PLACED", "orderId": "o-1", "reason": "seen there"}
JUDGED = {**SETTLED, "evidence": f"two orders fit; {JUDGEMENT['reason']}"}
WHOSE = {"account": "demo", "principal": None, "everybody": False}
NOTHING: dict[str, Any] = {
    "__typename": "OrdersCancelled",
    "cancelled": [],
    "failed": [],
    "pending": [],
    "ended": [],
    "unresolved": [],
    "unseen": None,
}
REFUSAL = {"code": "FORBIDDEN", "message": "no", "rule": "default-deny"}


def test_a_settled_placement_is_shown_as_it_then_is(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []

    def answer(asked: dict[str, Any]) -> object:
        seen.append(asked["variables"])
        return {"resolvePlacement": {"__typename": "PlacementResolved", "placement": JUDGED}}

    with gateway(answer) as given:
        assert settle(JUDGEMENT, given) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == list(details(JUDGED))
    assert told.err == ""
    assert seen == [JUDGEMENT]


@pytest.mark.parametrize(
    ("by", "who"), [("keeper", "keeper"), (None, "the gateway itself")], ids=["person", "gateway"]
)
def test_who_settles_again_what_was_settled_is_told_by_whom(
    by: str | None, who: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settled = {**SETTLED, "resolvedBy": by}
    resolved = {"__typename": "PlacementResolved", "placement": settled}
    with gateway(lambda asked: {"resolvePlacement": resolved}) as given:
        assert settle(JUDGEMENT, given) == 0
    told = capsys.readouterr()
    assert told.err == f"{who} settled it so before: your reason is not on record\n"
    assert told.out.splitlines() == list(details(settled))


def test_a_refused_judgement_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = {"__typename": "OperatorRejected", **REFUSAL}
    with gateway(lambda asked: {"resolvePlacement": refusal}) as given:
        assert settle(JUDGEMENT, given) == 1
    assert capsys.readouterr().err == "FORBIDDEN: no (rule default-deny)\n"


def test_without_an_answer_it_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(lambda asked: None) as given:
        assert settle(JUDGEMENT, given) == 1
        assert cancel(WHOSE, given) == 1
    told = capsys.readouterr().err
    assert "resolving it again is safe" in told
    assert "cancelling again is safe" in told


@pytest.mark.parametrize(
    ("found", "told", "status"),
    [
        ({}, "nothing of yours was open", 0),
        ({"cancelled": ["o-1"]}, "cancelled  o-1", 0),
        ({"ended": ["o-1"]}, "ended  o-1  before it was cancelled: look at the fills", 0),
        ({"pending": ["o-1"]}, "pending  o-1  cancel again", 1),
        (
            {"unresolved": ["demo.1"]},
            "unresolved  demo.1  its order may still show up: cancel again later",
            1,
        ),
        (
            {"unseen": {"code": "JOURNAL_UNAVAILABLE", "message": "away"}},
            "unseen  there may be others: cancel again later  JOURNAL_UNAVAILABLE: away",
            1,
        ),
        (
            {
                "failed": [
                    {"orderId": "o-1", "problem": {"code": "TRADING_HALTED", "message": "no"}}
                ]
            },
            "failed  o-1  TRADING_HALTED: no",
            1,
        ),
    ],
    ids=lambda given: next(iter(given), "nothing") if isinstance(given, dict) else "",
)
def test_what_became_of_each_order_is_told_and_what_is_left_is_the_status(
    found: dict[str, Any], told: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(lambda asked: {"cancelAllOrders": NOTHING | found}) as given:
        assert cancel(WHOSE, given) == status
    assert capsys.readouterr().out == f"{told}\n"


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        ({"principal": "desk"}, "nothing of desk's was open"),
        ({"everybody": True}, "nothing was open"),
    ],
    ids=["another's", "everybody's"],
)
def test_it_says_whose_orders_none_was_open_of(
    whose: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(lambda asked: {"cancelAllOrders": NOTHING}) as given:
        assert cancel(WHOSE | whose, given) == 0
    assert capsys.readouterr().out == f"{told}\n"


def test_orders_are_cancelled_with_the_app_s_token_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[object] = []

    def answer(asked: dict[str, Any]) -> object:
        seen.append((asked["variables"], asked["token"]))
        return {"cancelAllOrders": {"__typename": "CancelRejected", **REFUSAL}}

    with gateway(answer) as given:
        assert cancel(WHOSE, given | {"GATEWAY_TOKEN": "app"}) == 1
    assert seen == [(WHOSE, "Bearer app")]
    assert capsys.readouterr().err == "FORBIDDEN: no (rule default-deny)\n"
