"""The commands as a user meets them: a real process each."""

import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.sandbox import load_scenario

ROOT = Path(__file__).parents[3]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command line in an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "100"} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version").stdout == f"{project['version']}\n"


@pytest.mark.parametrize(
    "command",
    [
        (),
        *(("serve",), ("check",), ("dev",), ("sandbox",), ("schema",)),
        *(("keys", name) for name in ("init", "add", "list", "rotate", "retire")),
        *(("keys", "reseal"), ("keys", "probe"), ("policy", "check"), ("policy", "new-token")),
        *(("watch", topic) for topic in ("tickers", "top", "book", "candles", "trades", "orders")),
        *(("watch", "account-events"), ("trading", "set"), ("trading", "reopen")),
        *(("orders", name) for name in ("unresolved", "show", "resolve", "cancel-all")),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_help_loads_nothing_that_a_command_needs() -> None:
    heavy = {"strawberry", "fastapi", "redis", "httpx", "uvicorn", "websockets", "pydantic"}
    script = f"""
import sys
from gateway.cli import commands
print({heavy} & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout == "set()\n"


def test_serve_prints_each_fault_of_the_settings_on_a_line() -> None:
    done = run("serve", NGW_PORT="none", NGW_PROT="1")
    assert done.returncode == 2
    assert done.stdout == ""
    told = {line.partition(":")[0] for line in done.stderr.splitlines()}
    assert told == {
        "NGW_KEYS_FILE",
        "NGW_POLICY_FILE",
        "NGW_CACHE_REDIS_URL",
        "NGW_STATE_REDIS_URL",
        "NGW_PORT",
        "NGW_PROT",
    }


def test_serve_prints_each_fault_of_a_policy_on_a_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 2\naccounts: ['a b']\nprincipals: []\n")
    done = run(
        "serve",
        NGW_POLICY_FILE=str(policy),
        NGW_CREDENTIALS='{"demo": {"api_key": "key", "api_secret": "secret"}}',
        NGW_CACHE_REDIS_URL="unix:///nonexistent",
        NGW_STATE_REDIS_URL="unix:///nonexistent",
    )
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [str(policy)] * 2


def test_serve_prints_a_fault_of_the_credentials(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\naccounts: [demo]\nprincipals: []\n")
    done = run(
        "serve",
        NGW_POLICY_FILE=str(policy),
        NGW_CREDENTIALS_DIR="/nonexistent",
        NGW_CACHE_REDIS_URL="unix:///nonexistent",
        NGW_STATE_REDIS_URL="unix:///nonexistent",
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("/nonexistent: cannot be read")


def test_serve_refuses_an_account_without_credentials_and_credentials_without_account(
    tmp_path: Path,
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\naccounts: [demo]\nprincipals: []\n")
    done = run(
        "serve",
        NGW_POLICY_FILE=str(policy),
        NGW_CREDENTIALS='{"other": {"api_key": "key", "api_secret": "secret"}}',
        NGW_CACHE_REDIS_URL="unix:///nonexistent",
        NGW_STATE_REDIS_URL="unix:///nonexistent",
    )
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "account 'demo'",
        "account 'other'",
    ]


def test_serve_names_the_setting_of_a_port_in_use_before_it_connects_to_anything(
    tmp_path: Path,
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\naccounts: [demo]\nprincipals: []\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(
            "serve",
            NGW_POLICY_FILE=str(policy),
            NGW_CREDENTIALS='{"demo": {"api_key": "key", "api_secret": "secret"}}',
            NGW_CACHE_REDIS_URL="unix:///nonexistent",
            NGW_STATE_REDIS_URL="unix:///nonexistent",
            NGW_PORT=str(taken.getsockname()[1]),
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert "NGW_HOST, NGW_PORT: Address already in use" in done.stderr


def test_sandbox_without_a_scenario_shows_one_that_it_takes(tmp_path: Path) -> None:
    done = run("sandbox")
    assert done.returncode == 2
    heading, example, _ = done.stderr.split("\n\n")
    assert heading.startswith("--scenario: ")
    file = tmp_path / "scenario.yaml"
    file.write_text(example)
    assert [account.account_id for account in load_scenario(file).accounts] == ["demo"]


def test_sandbox_tells_every_fault_of_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text("seed: many\naccounts: [{name: demo}]\n")
    done = run("sandbox", "--scenario", str(file))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{file}: seed: Input should be a valid integer, unable to parse string as an integer",
        f"{file}: accounts[0].id: is missing",
        f"{file}: accounts[0].name: unknown key",
    ]


def test_sandbox_answers_control_to_this_machine_only(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text("accounts: []")
    done = run("sandbox", "--scenario", str(file), "--control", "--host", "0.0.0.0")  # noqa: S104
    assert (done.returncode, done.stderr) == (2, "control needs a loopback host, not 0.0.0.0\n")


def test_watch_without_a_gateway_says_what_to_set(tmp_path: Path) -> None:
    done = run("watch", "tickers", GATEWAY_URL="http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("GATEWAY_TOKEN not set")


def test_watch_of_a_gateway_that_is_not_there_fails() -> None:
    done = run("watch", "tickers", GATEWAY_URL="http://127.0.0.1:1", GATEWAY_TOKEN="t")
    assert done.returncode == 1
    following, error = done.stderr.splitlines()
    assert following.startswith("following tickers at ws://127.0.0.1:1/graphql")
    assert error.startswith("no connection to ws://127.0.0.1:1/graphql")
