"""`trading`: what it says, and its exit status; a real gateway is in the functional tests."""

from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.trading.operating import operate
from tests.processes import free_port
from tests.unit.cli.answering import gateway

CHANGE = {"state": "HALTED", "reason": "why", "setBy": "operator", "setAt": "2026-01-01T00:00:00Z"}
EVERYTHING = {**CHANGE, "account": None, "principal": None}
NOTHING: dict[str, Any] = {"tradingSwitches": [], "suspensions": [], "quarantines": []}


@pytest.mark.parametrize(
    ("environ", "token"),
    [({}, "ops"), ({"GATEWAY_TOKEN": "app"}, "ops"), ({"OPERATOR_TOKEN": ""}, None)],
    ids=["operator", "both", "empty"],
)
def test_the_operators_token_goes_before_the_apps(
    environ: dict[str, str], token: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def answer(asked: dict[str, Any]) -> object:
        seen.append(asked["token"])
        return NOTHING

    with gateway(answer) as given:
        status = operate("trading-switches", {}, given | environ)
    assert (status, seen) == ((0, [f"Bearer {token}"]) if token else (2, []))
    told = capsys.readouterr()
    expected = "trading is ACTIVE for everybody; nobody is suspended\n"
    assert told.out == (expected if token else "")
    assert token or "OPERATOR_TOKEN or GATEWAY_TOKEN not set" in told.err


def test_a_lone_apps_token_serves(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(lambda asked: NOTHING) as given:
        environ = {"GATEWAY_URL": given["GATEWAY_URL"], "GATEWAY_TOKEN": "app"}
        assert operate("trading-switches", {}, environ) == 0
    assert "ACTIVE" in capsys.readouterr().out


def test_what_stands_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    standing = {
        "tradingSwitches": [
            EVERYTHING,
            {**EVERYTHING, "account": "demo"},
            {**EVERYTHING, "principal": "desk"},
        ],
        "suspensions": [{**CHANGE, "principal": "bot"}],
        "quarantines": [{"account": "demo", "reason": "it is on another server"}],
    }
    with gateway(lambda asked: standing) as given:
        assert operate("trading-switches", {}, given) == 0
    why = "by operator at 2026-01-01T00:00:00Z: why"
    assert capsys.readouterr().out.splitlines() == [
        f"HALTED  everything  {why}",
        f"HALTED  account demo  {why}",
        f"HALTED  principal desk  {why}",
        f"suspended  principal bot  {why}",
        "quarantined  account demo  no orders until it is reopened: it is on another server",
    ]


def test_a_quarantine_alone_does_not_hide_that_trading_is_active(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shut = {**NOTHING, "quarantines": [{"account": "demo", "reason": "why"}]}
    with gateway(lambda asked: shut) as given:
        assert operate("trading-switches", {}, given) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trading is ACTIVE for everybody; nobody is suspended",
        "quarantined  account demo  no orders until it is reopened: why",
    ]


def test_what_is_asked_for_goes_to_the_gateway_as_it_is() -> None:
    seen: list[object] = []
    outcome = {"__typename": "PrincipalRestored", "principal": "desk"}

    def answer(asked: dict[str, Any]) -> object:
        seen.append(asked["variables"])
        return {"restorePrincipal": outcome}

    variables = {"principal": "desk", "reason": "over"}
    with gateway(answer) as given:
        assert operate("restore-principal", variables, given) == 0
    assert seen == [variables]


def test_what_was_done_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {
        "setTradingState": {"__typename": "TradingStateSet", "switch": EVERYTHING},
        "suspendPrincipal": {
            "__typename": "PrincipalSuspended",
            "suspension": {**CHANGE, "principal": "bot"},
        },
        "restorePrincipal": {"__typename": "PrincipalRestored", "principal": "bot"},
        "reopenAccount": {
            "__typename": "AccountReopened",
            "account": "demo",
            "quarantine": "it is on another server",
        },
        "again": {"__typename": "AccountReopened", "account": "demo", "quarantine": None},
    }
    told = iter([{field: outcome} for field, outcome in outcomes.items()])
    with gateway(lambda asked: next(told)) as given:
        for _ in outcomes:
            assert operate("reopen-account", {"account": "demo", "reason": "why"}, given) == 0
    why = "by operator at 2026-01-01T00:00:00Z: why"
    assert capsys.readouterr().out.splitlines() == [
        f"HALTED  everything  {why}",
        f"suspended  principal bot  {why}",
        "restored  principal bot",
        "reopened  account demo  it was in quarantine: it is on another server",
        "open  account demo  it was not in quarantine",
    ]


def test_a_refusal_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = {
        "__typename": "OperatorRejected",
        "code": "FORBIDDEN",
        "message": "\x1b[2Jno",
        "rule": None,
    }
    with gateway(lambda asked: {"setTradingState": refusal}) as given:
        assert operate("set-trading-state", {"state": "HALTED"}, given) == 1
    assert capsys.readouterr().err == "FORBIDDEN: \\x1b[2Jno\n"


def test_without_an_answer_it_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(lambda asked: None) as given:
        assert operate("suspend-principal", {"principal": "desk"}, given) == 1
    away = {"GATEWAY_URL": f"http://127.0.0.1:{free_port()}", "OPERATOR_TOKEN": "ops"}
    assert operate("suspend-principal", {"principal": "desk"}, away) == 1
    told = capsys.readouterr().err
    assert told.count("'narkasa-gateway trading show' tells what stands") == 2
    assert "ops" not in told


def test_show_without_an_answer_does_not_send_to_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with gateway(lambda asked: None) as given:
        assert operate("trading-switches", {}, given) == 1
    assert "trading show" not in capsys.readouterr().err


def test_without_a_gateway_to_ask_it_says_what_to_set(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with chdir(tmp_path):
        assert operate("trading-switches", {}, {}) == 2
    expected = "GATEWAY_URL and OPERATOR_TOKEN or GATEWAY_TOKEN not set"
    assert capsys.readouterr().err.startswith(expected)
