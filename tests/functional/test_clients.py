"""What two clients written from the exchange's document see of the sandbox; see tests/clients."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.sandbox import KeyPair
from tests.functional.document_clients import (
    CLIENTS,
    DOCUMENT,
    PATIENCE_S,
    PROGRAMS,
    Comparable,
    Json,
    run_client,
    transcript,
)
from tests.processes import eventually, free_port
from tests.valkey import die_with_parent

PAIRS = {
    name: KeyPair(f"key-of-the-{name}", f"secret-of-the-{name}")
    for name in ("trader", "counterparty")
}
# The other codes take accounts, keys, markets or limits that are not in the clients' scenario.
PROVOKED = (
    "10029 10031 10037 10039 10040 10041 10042 10060 10061 10062 10063 10064 10075 "
    "20000 20001 20003 20004 20005 20006 20007 20008 20009 20010 20012"
)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs as a process of its own, in the scenario of the clients."""

    port: int

    @property
    def url(self) -> str:
        """The base address of REST and of the control endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, client: str) -> subprocess.CompletedProcess[str]:
        """Let a client do all that it does; the key pairs go in by its standard input."""
        return run_client(client, self.url, self.url, PAIRS)


@contextmanager
def running_sandbox(log_file: Path) -> Iterator[Sandbox]:
    """Start a sandbox, and stop it at the end."""
    sandbox = Sandbox(free_port())
    scenario = ("--scenario", str(CLIENTS / "scenario.yaml"))
    options = (*scenario, "--port", str(sandbox.port), "--control")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "sandbox", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
        )
    try:
        ready = eventually(lambda: _answers(sandbox) or process.poll() is not None)
        assert ready, "neither started nor ended"
        assert process.poll() is None, log_file.read_text()
        yield sandbox
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert "Traceback" not in log_file.read_text()


def _answers(sandbox: Sandbox) -> bool:
    try:
        return httpx.get(f"{sandbox.url}/v3/api/ping", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Json]]:
    """What each client told; each had a sandbox that nobody had used before."""
    folder = tmp_path_factory.mktemp("clients")
    return {client: _transcript(client, folder / f"{client}.log") for client in PROGRAMS}


def _transcript(client: str, log_file: Path) -> list[Json]:
    with running_sandbox(log_file) as sandbox:
        done = sandbox.run(client)
    return transcript(done)


@pytest.mark.timeout(2 * PATIENCE_S)
def test_a_client_in_python_and_one_for_node_see_the_same(
    transcripts: dict[str, list[Json]],
) -> None:
    python, node = (Comparable().made_of(transcripts[client]) for client in ("python", "node"))

    for ours, theirs in zip(python, node, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_calls_every_endpoint_of_the_document_with_every_parameter_in_every_carrier(
    transcripts: dict[str, list[Json]], client: str
) -> None:
    assert _sent(transcripts[client]) >= _documented()


def _sent(transcript: list[Json]) -> set[tuple[str, str | None, str]]:
    return {
        (line["call"], line["request"].get("carrier"), name)
        for line in transcript
        if isinstance(line["reply"], dict) and line["reply"].get("code") == "00000"
        for name in ("", *line["request"])
    }


def _documented() -> set[tuple[str, str | None, str]]:
    """Call, carrier and parameter of all that the document knows; "" stands for no parameter."""
    return {
        (f"{row['method']} {row['path']}", carrier, name.rstrip("?"))
        for row in DOCUMENT["endpoints"]
        for carrier in _carriers(row)
        for name in ("", *row["parameters"])
    }


def _carriers(row: Json) -> tuple[str | None, ...]:
    if not row["signed"]:
        return (None,)
    return ("query", "form", "json") if row["method"] == "POST" else ("query",)


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_hears_every_topic_and_says_all_that_can_be_said_on_a_stream(
    transcripts: dict[str, list[Json]], client: str
) -> None:
    heard = {line["call"] for line in transcripts[client]}
    topics = {row["type"] for row in DOCUMENT["topics"] + DOCUMENT["userStreams"]}

    assert heard >= topics | set(DOCUMENT["methods"])
    assert _outcomes(transcripts[client]) >= {
        ("SUBSCRIBE", "success"),
        ("SUBSCRIBE", "failed"),
        ("UNSUBSCRIBE", "success"),
        ("LIST_SUBSCRIPTIONS", "success"),
        ("USER_STREAMS", "success"),
        ("USER_STREAMS", "failed"),
    }


def _outcomes(transcript: list[Json]) -> set[tuple[str, str]]:
    return {
        (line["call"], answer["status"])
        for line in transcript
        if line["call"] in DOCUMENT["methods"]
        for answer in line["reply"]
    }


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_is_told_of_orders_of_every_type_side_and_status(
    transcripts: dict[str, list[Json]], client: str
) -> None:
    updates = [line for line in transcripts[client] if line["call"] == "orderUpdate"]
    told = [update["reply"]["order"] for update in updates]

    assert {(order["orderType"]["number"], order["side"]["number"]) for order in told} == set(
        itertools.product("0123", "01")
    )
    assert {order["stopType"]["number"] for order in told} == {"0", "1"}
    assert {order["status"] for order in told} == {
        "NEW",
        "PARTIALLY_FILLED",
        "FILLED",
        "CANCELLED",
        "CANCELLED_ALL",
    }


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_is_refused_with_the_codes_that_two_accounts_in_good_standing_can_provoke(
    transcripts: dict[str, list[Json]], client: str
) -> None:
    replies = [line["reply"] for line in transcripts[client] if " v3/api/" in line["call"]]

    assert {reply["code"] for reply in replies} == {"00000", *PROVOKED.split()}


@pytest.mark.parametrize("client", PROGRAMS)
@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ('{"code": "00000", "data": "PING"}', "PONG"),
        ('{"code": "00000"}', "data"),
        ('{"code": "00000", "data": "PONG", "more": 1}', "more"),
        ('{"code": "90000"}', "90000"),
    ],
    ids=["another value", "a member missing", "a member too many", "another code"],
)
def test_a_client_takes_no_reply_that_is_not_as_the_document_says(
    tmp_path: Path, client: str, reply: str, complaint: str
) -> None:
    with running_sandbox(tmp_path / "sandbox.log") as sandbox:
        fault = {"endpoint": "v3/api/ping", "outcome": "reply", "body": reply}
        control = f"{sandbox.url}/control/faults"
        httpx.post(control, json=fault, trust_env=False).raise_for_status()
        done = sandbox.run(client)

    assert done.returncode == 1
    assert complaint in done.stderr
