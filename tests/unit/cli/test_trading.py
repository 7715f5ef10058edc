"""`trading`: what it says, and its exit status; a real gateway is in the functional tests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets import Subprotocol
from websockets.sync.server import ServerConnection, serve

from gateway.cli.trading.operating import operate
from tests.processes import free_port

CHANGE = {"state": "HALTED", "reason": "why", "setBy": "operator", "setAt": "2026-01-01T00:00:00Z"}
EVERYTHING = {**CHANGE, "account": None, "principal": None}


@contextmanager
def gateway(answer: Callable[[dict[str, Any]], object]) -> Iterator[dict[str, str]]:
    """A server that gives this answer to what is asked; give the environment that names it."""

    def script(connection: ServerConnection) -> None:
        init = json.loads(connection.recv(timeout=10))
        connection.send(json.dumps({"type": "connection_ack"}))
        asked = json.loads(connection.recv(timeout=10))["payload"]
        data = answer({**asked, "token": init["payload"]["Authorization"]})
        if data is not None:
            connection.send(json.dumps({"type": "next", "id": "1", "payload": {"data": data}}))

    protocols = [Subprotocol("graphql-transport-ws")]
    with serve(script, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        yield {"GATEWAY_URL": f"http://127.0.0.1:{port}", "OPERATOR_TOKEN": "ops"}
        server.shutdown()
        thread.join()


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
        return {"tradingSwitches": [], "suspensions": []}

    with gateway(answer) as given:
        status = operate("trading-switches", {}, given | environ)
    assert (status, seen) == ((0, [f"Bearer {token}"]) if token else (2, []))
    told = capsys.readouterr()
    expected = "trading is ACTIVE for everybody; nobody is suspended\n"
    assert told.out == (expected if token else "")
    assert token or "OPERATOR_TOKEN or GATEWAY_TOKEN not set" in told.err


def test_a_lone_apps_token_serves(capsys: pytest.CaptureFixture[str]) -> None:
    with gateway(lambda asked: {"tradingSwitches": [], "suspensions": []}) as given:
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
    }
    with gateway(lambda asked: standing) as given:
        assert operate("trading-switches", {}, given) == 0
    why = "by operator at 2026-01-01T00:00:00Z: why"
    assert capsys.readouterr().out.splitlines() == [
        f"HALTED  everything  {why}",
        f"HALTED  account demo  {why}",
        f"HALTED  principal desk  {why}",
        f"suspended  principal bot  {why}",
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
