"""`orders unresolved` and `show`: what they say, and their exit status."""

from typing import Any

import pytest

from gateway.cli.orders.looking import details, line, show_placement, show_unresolved
from tests.unit.cli.answering import gateway

DOUBTFUL: dict[str, Any] = {
    "id": "demo.1",
    "principal": "desk",
    "account": "demo",
    "clientOrderId": "c-1",
    "state": "IN_DOUBT",
    "createdAt": "2026-01-31T12:00:00.000Z",
    "updatedAt": "2026-01-31T12:00:20.000Z",
    "signedAt": "2026-01-31T12:00:00.100Z",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "STOP_LIMIT",
    "price": "54000",
    "quantity": "0.001",
    "stopPrice": "53000",
    "quoteTotal": None,
    "order": None,
    "problem": None,
    "evidence": "two orders fit",
    "resolveBy": "2026-01-31T12:00:15.000Z",
    "resolvedBy": None,
    "newIdSafe": False,
}
SETTLED: dict[str, Any] = {
    **DOUBTFUL,
    "state": "ACCEPTED",
    "type": "FAST",
    "price": None,
    "quantity": None,
    "stopPrice": None,
    "quoteTotal": "50",
    "order": {"orderId": "o-1", "status": "FILLED"},
    "problem": {"code": "NONE", "message": "nothing"},
    "resolveBy": None,
    "resolvedBy": "keeper",
    "newIdSafe": True,
}
TERMS = "BUY STOP_LIMIT BTCUSDT 0.001 at 54000 stop 53000"


def test_what_has_no_outcome_is_a_line_with_the_id_to_paste() -> None:
    signed = "of desk  client c-1  signed 2026-01-31T12:00:00.100Z"
    due = "due by 2026-01-31T12:00:15.000Z"
    assert line(DOUBTFUL) == f"IN_DOUBT  {TERMS}  {signed}  was {due}  demo.1"
    assert line({**DOUBTFUL, "state": "UNKNOWN"}) == f"UNKNOWN  {TERMS}  {signed}  {due}  demo.1"
    assert line(SETTLED) == f"ACCEPTED  BUY FAST BTCUSDT for 50  {signed}  demo.1"


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([], []),
        (["UNKNOWN"], ["look again when it is due"]),
        (["IN_DOUBT"], ["a person's to judge"]),
        (["IN_DOUBT", "SENDING"], ["look again when it is due", "a person's to judge"]),
    ],
    ids=["none", "unknown", "doubt", "both"],
)
def test_what_to_do_about_them_is_said_beside_them(
    states: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = [{**DOUBTFUL, "state": state} for state in states]
    with gateway(lambda asked: {"unresolvedPlacements": found}) as given:
        assert show_unresolved("demo", given) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(told)
    assert all(words in line for words, line in zip(told, said, strict=True))


def test_all_that_is_known_of_a_placement_is_shown() -> None:
    assert list(details(DOUBTFUL)) == [
        f"IN_DOUBT  {TERMS}",
        "  account        demo",
        "  principal      desk",
        "  clientOrderId  c-1",
        "  recorded       2026-01-31T12:00:00.000Z",
        "  signed         2026-01-31T12:00:00.100Z",
        "  changed        2026-01-31T12:00:20.000Z",
        "  evidence       two orders fit",
        "  was due by     2026-01-31T12:00:15.000Z",
        "  the same under a new clientOrderId could double the order",
    ]
    assert list(details(SETTLED))[-4:] == [
        "  judged by      keeper",
        "  order          o-1 FILLED",
        "  problem        NONE: nothing",
        "  the same under a new clientOrderId cannot double the order",
    ]


def test_an_account_s_unresolved_placements_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[object] = []

    def answer(asked: dict[str, Any]) -> object:
        seen.append((asked["variables"], asked["token"]))
        return {"unresolvedPlacements": [DOUBTFUL, SETTLED][: len(seen) - 1]}

    with gateway(answer) as given:
        assert show_unresolved("demo", given) == 0
        assert show_unresolved("demo", given) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == ["every placement of account demo has its outcome", line(DOUBTFUL)]
    assert seen == [({"account": "demo"}, "Bearer ops")] * 2


def test_a_placement_that_is_none_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(lambda asked: {"placement": None}) as given:
        assert show_placement("demo.1", given) == 1
    assert "no placement that this token may see" in capsys.readouterr().err
    with gateway(lambda asked: {"placement": SETTLED}) as given:
        assert show_placement("demo.1", given) == 0
    assert capsys.readouterr().out.splitlines() == list(details(SETTLED))
