"""The README, executed: every `sh` block runs as it is printed there.

Two blocks are not run but looked up: `make dev` would take the ports of the machine, so its work is
done by `narkasa-gateway dev` on free ones, and `make test` cannot run inside itself. The `console`
blocks need a container engine and a cluster: of these, the Helm command is rendered instead of
installed.
"""

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from websockets import Subprotocol
from websockets.sync.client import connect

from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).with_name("narkasa-gateway")
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE
)

MADE = ("make dev", "make test")
TRIED = (
    "ticker {",
    "watch top",
    "watch orders",
    "placeOrder",
    "trading set",
    "auditLog(",
    "audit verify",
    "Bearer wrong",
    "/readyz",
)
RUN = ("keys init", "new-token", "check --connect", "vkeys issue", "exec narkasa-gateway serve")


def block(language: str, marker: str) -> str:
    """The one block of a language that holds `marker`."""
    [text] = [text for name, text in BLOCKS if name == language and marker in text]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the project's, with a `.dev` of its own."""
    folder = tmp_path_factory.mktemp("readme")
    folder.joinpath(".venv").symlink_to(sys.prefix)
    for name in ("helm", "graphql"):
        folder.joinpath(name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def dev(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of a `narkasa-gateway dev` that runs in the folder."""
    ports = {"GATEWAY_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    with running([PROGRAM, "dev"], folder, ports):
        env = folder / ".dev" / "env"
        assert eventually(env.exists)
        words = shlex.split(env.read_text())
        yield dict(word.split("=", 1) for word in words if word != "export")


@pytest.fixture(scope="module")
def prepared(folder: Path, dev: dict[str, str], valkey_server: ValkeyServer) -> Path:
    """The same folder, with what 'Run it' lets its reader write there."""
    folder.joinpath("policy.yaml").write_text(block("yaml", "principals:"))
    stream = dev["SANDBOX_URL"].replace("http", "ws", 1) + "/v3"
    instead = {
        "NGW_PORT": str(free_port()),
        "NGW_CACHE_REDIS_URL": f"{valkey_server.tcp_url}/8",
        "NGW_STATE_REDIS_URL": f"{valkey_server.tcp_url}/9",
        "NGW_EXCHANGE_REST_URL": dev["SANDBOX_URL"],
        "NGW_EXCHANGE_WS_URL": stream,
    }
    lines = [block("ini", "NGW_"), *(f"{name}={value}\n" for name, value in instead.items())]
    folder.joinpath("gateway.env").write_text("".join(lines))
    paste(block("sh", "keys init"), folder)
    return folder


def environ(**more: str) -> dict[str, str]:
    key_pair = {"EXCHANGE_API_KEY": "key-of-treasury", "EXCHANGE_API_SECRET": "of-treasury"}
    return {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "HOME": "/nonexistent"} | key_pair | more


def paste(text: str, folder: Path) -> str:
    """Run a block as a terminal in `folder` would; what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-euc", text],
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(
    command: list[str | Path], folder: Path, more: dict[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """A process in a group of its own, and the end of it all."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ(**more),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)


def copy(source: Iterable[str], target: list[str]) -> None:
    """Read to the end, each line as it comes."""
    target.extend(iter(source))


def answers(url: str) -> bool:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
        try:
            connection.request("GET", urlsplit(url).path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False


def test_every_command_of_the_readme_is_in_one_test() -> None:
    markers = [*MADE, *TRIED, *RUN]
    commands = [text for language, text in BLOCKS if language == "sh"]
    assert len(commands) == len(markers)
    assert all(block("sh", marker) for marker in markers)


@pytest.mark.parametrize("command", MADE)
def test_the_two_commands_are_targets_of_the_makefile(command: str) -> None:
    assert block("sh", command).strip() == command
    target = command.removeprefix("make ")
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_continuous_checks_run_the_command_that_the_readme_names() -> None:
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert re.fullmatch(r"exec make( --\S+)* test", last)


def test_the_price_is_there_with_its_age(dev: dict[str, str], folder: Path) -> None:
    ticker = json.loads(paste(block("sh", "ticker {"), folder))["data"]["market"]["ticker"]
    assert ticker.keys() == {"last", "bid", "ask", "asOf", "source", "stale"}
    assert ticker["stale"] is False


def test_the_subscription_ends_after_three_events(dev: dict[str, str], folder: Path) -> None:
    lines = paste(block("sh", "watch top"), folder).splitlines()
    assert len(lines) == 3
    assert all("BTCUSDT  bid " in line for line in lines)


def test_the_order_fills_and_the_watch_of_orders_shows_it(
    dev: dict[str, str], folder: Path
) -> None:
    metric = 'gateway_subscriptions{field="orders"} 1.0'
    with running(["/bin/sh", "-euc", block("sh", "watch orders")], folder, {}) as watch:
        assert eventually(lambda: metric in paste(block("sh", "/readyz"), folder))
        lines: list[str] = []
        Thread(target=copy, args=(watch.stdout, lines), daemon=True).start()
        ids: set[str] = set()

        def shown() -> bool:
            """What was filled before the stream was whole is not told: so it is placed again."""
            placed = json.loads(paste(block("sh", "placeOrder"), folder))["data"]["placeOrder"]
            assert placed["__typename"] == "OrderAccepted", placed
            ids.add(placed["order"]["orderId"])
            return any("FILLED  " in line and any(each in line for each in ids) for line in lines)

        assert eventually(shown)


def test_the_operator_stops_trade_and_lets_it_go_on(dev: dict[str, str], folder: Path) -> None:
    stopped, shown, lifted = paste(block("sh", "trading set"), folder).splitlines()
    assert "CANCEL_ONLY" in stopped
    assert "trying the switch" in shown
    assert "ACTIVE" in lifted


def test_the_audit_log_tells_who_did_what_and_is_whole(dev: dict[str, str], folder: Path) -> None:
    answer = json.loads(paste(block("sh", "auditLog("), folder))
    entries = [edge["node"] for edge in answer["data"]["auditLog"]["edges"]]
    assert len(entries) == 5
    checked = paste(block("sh", "audit verify"), folder)
    assert "demo-app: orders:place on demo" in checked


def test_a_wrong_token_is_told_as_the_readme_says(dev: dict[str, str], folder: Path) -> None:
    wrong = block("sh", "Bearer wrong")
    assert json.loads(paste(wrong, folder))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    status = paste(wrong.replace("curl -sS", "curl -sS -o /dev/null -w '%{http_code}'"), folder)
    assert status == "401"


def test_the_first_messages_of_the_readme_open_a_subscription(dev: dict[str, str]) -> None:
    url = dev["GATEWAY_URL"].replace("http", "ws", 1) + "/graphql"
    messages = block("json", "connection_init").replace("<token>", dev["GATEWAY_TOKEN"])
    protocol = Subprotocol("graphql-transport-ws")
    with connect(url, subprotocols=[protocol], proxy=None) as connection:
        for message in messages.splitlines():
            connection.send(message)
        received: list[dict[str, Any]] = [json.loads(connection.recv(10)) for _ in range(2)]
    assert [message["type"] for message in received] == ["connection_ack", "next"]
    assert len(received[1]["payload"]["data"]["orderBook"]["bids"]) == 5


def test_the_addresses_for_operators_answer(dev: dict[str, str], folder: Path) -> None:
    text = paste(block("sh", "/readyz"), folder)
    assert text.startswith('ok\n{"status":"ready","problems":{}}')
    for metric in re.findall(r"gateway_\w+", README):
        assert f"# TYPE {metric.removesuffix('_total')}" in text


def test_the_keys_of_the_readme_are_sealed_and_listed_without_their_text(prepared: Path) -> None:
    sealed = (prepared / "keys" / "sealed.json").read_text()
    text = paste(block("sh", "keys init").splitlines()[-1], prepared)
    assert re.search(r"^treasury +trade +1 +active ", text, re.MULTILINE)
    assert not [each for each in ("key-of-treasury", "of-treasury") if each in sealed + text]


def test_the_policy_of_the_readme_is_sound(prepared: Path) -> None:
    text = paste(block("sh", "new-token"), prepared)
    assert re.search(r"^  ngw_\S{43}$", text, re.MULTILINE)
    assert re.search(
        r"^  - \{sha256: [0-9a-f]{64}, expires: 2099-01-31T00:00:00Z\}$", text, re.MULTILINE
    )
    assert "policy.yaml is sound (accounts: treasury)\n" in text
    assert "rule desk-buys: policy.yaml, line " in text


def test_the_settings_of_the_readme_are_sound(prepared: Path) -> None:
    assert paste(block("sh", "check --connect"), prepared) == "configuration is sound\n"


def test_the_virtual_key_of_the_readme_goes_to_its_file_and_is_listed(prepared: Path) -> None:
    text = paste(block("sh", "vkeys issue"), prepared)
    assert re.search(r"^vk-[0-9a-f]{12} +desk-app +treasury ", text, re.MULTILINE)
    file = prepared / "desk-app.pair"
    assert file.stat().st_mode & 0o777 == 0o600
    pair = file.read_text()
    secret = re.search(r"^VIRTUAL_API_SECRET=(ngwvs\w{59})$", pair, re.MULTILINE)
    assert secret
    assert secret[1] not in text


def test_what_the_readme_configures_serves_until_sigterm(prepared: Path) -> None:
    port = re.findall(r"NGW_PORT=(\d+)", (prepared / "gateway.env").read_text())[-1]
    serve = ["/bin/sh", "-euc", block("sh", "exec narkasa-gateway serve")]
    with running([*serve], prepared, {}) as gateway:
        assert eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        gateway.terminate()
        log, _ = gateway.communicate(timeout=30)
    assert gateway.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert "gateway.stopping" in [line.get("event") for line in lines]
    assert "STARTED" in [line["audit"]["kind"] for line in lines if "audit" in line]


def test_the_chart_renders_with_the_values_of_the_readme(prepared: Path) -> None:
    prepared.joinpath("values.yaml").write_text(block("yaml", "existingSecret"))
    [install] = re.findall(r"^\$ helm upgrade --install (.*)$", README, re.MULTILINE)
    done = subprocess.run(
        [ROOT / ".tools" / "bin" / "helm", "template", *shlex.split(install)],
        cwd=prepared,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout) if each]
    assert "Deployment" in kinds
    assert "Secret" not in kinds
