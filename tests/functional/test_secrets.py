"""Nothing that the gateway says or stores shows a key, a secret, a token or a signature."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import httpx
import pytest

from gateway.cli.operations import operation
from tests.faults.secrecy import forms, held, leaks, signatures, tokens
from tests.faults.tap import Tap
from tests.functional.callers import Caller, close_frame, open_socket
from tests.functional.exchange import DEMO, Exchange
from tests.functional.ordering import ACCOUNT, accepted, cancel, place
from tests.functional.service import Service
from tests.processes import eventually
from tests.valkey import ValkeyServer

PASSWORD = "password-of-the-journal"
WRONG_TOKEN = "ngw_" + "wrong" * 10
OUTCOMES = ("drop-before", "drop-after", "html-502", "code-before", "code-after")


@dataclass
class Scene:
    """A gateway that logs everything, its exchange behind a tap, and all that it answered."""

    service: Service
    exchange: Exchange
    valkey: ValkeyServer
    tap: Tap
    folder: Path
    said: list[bytes] = field(default_factory=list)

    def hear(self, response: httpx.Response) -> None:
        self.said += [response.read(), *(b"%b: %b" % pair for pair in response.headers.raw)]

    def places(self) -> dict[str, bytes]:
        """All that the gateway said or stored, by where. Redis keeps every write in a file."""
        stored = {str(file): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        answers = {f"answer {number}": text for number, text in enumerate(self.said)}
        return {"log": self.service.log.read_bytes(), **stored, **answers}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="ngw-", ignore_cleanup_errors=True) as name,
        closing(Exchange()) as exchange,
        closing(Tap(httpx.URL(exchange.url).port or 0)) as tap,
    ):
        valkey = ValkeyServer(Path(name), password=PASSWORD)
        valkey.start()
        settings = {
            "NGW_JOURNAL_ACCEPT_VOLATILE": "true",  # its Redis is killed and started again
            "NGW_LOG_LEVEL": "DEBUG",
            "NGW_REDIS_TIMEOUT_S": "0.3",
            "NGW_EXCHANGE_REST_URL": f"http://127.0.0.1:{tap.port}",
            "NGW_EXCHANGE_WS_URL": f"ws://127.0.0.1:{tap.port}/v3",
            "NGW_CACHE_REDIS_URL": valkey.tcp_url,
            "NGW_STATE_REDIS_URL": valkey.url,
        }
        with closing(Service(tmp_path, exchange, valkey, settings)) as service:
            service.start()
            made = Scene(service, exchange, valkey, tap, Path(name))
            service.http.event_hooks = {"response": [made.hear]}
            yield made
        valkey.stop()


def callers_without_a_right(scene: Scene) -> None:
    secret = DEMO.keys[0].api_secret
    for token in (WRONG_TOKEN, secret, scene.service.members["former"].token):
        assert Caller(scene.service.http, token).post("{ viewer { kind } }").status_code == 401
    scene.service.http.get("/graphql", params={"query": "{", "token": WRONG_TOKEN})
    scene.service.http.get(f"/{WRONG_TOKEN}", headers={"Authorization": f"Basic {WRONG_TOKEN}"})
    with open_socket(scene.service.ws_url) as socket:
        socket.send(type="connection_init", payload={"Authorization": f"Bearer {WRONG_TOKEN}"})
        frame = close_frame(socket.connection)
        scene.said.append(f"{frame.code} {frame.reason}".encode())
    with open_socket(scene.service.ws_url) as socket:
        socket.connection.send(json.dumps({"type": "nonsense", "token": WRONG_TOKEN}))
        frame = close_frame(socket.connection)
        scene.said.append(f"{frame.code} {frame.reason}".encode())


def orders_that_fail(scene: Scene, caller: Caller) -> None:
    first = accepted(caller, "open")["order"]["orderId"]
    place(caller, "refused", quantity="0.000001")
    for outcome in OUTCOMES:
        with scene.exchange.fault("market/limit-buy", outcome=outcome):
            place(caller, f"order-{outcome}")
        with scene.exchange.fault("market/cancel-order", outcome=outcome):
            cancel(caller, first)
        with scene.exchange.fault("balance/wallet", outcome=outcome):
            caller.post(ACCOUNT, id="demo")
    with scene.exchange.fault("market/limit-buy", replyDelayMs=1_500):
        place(caller, "late")


def streams_that_break(scene: Scene, token: str) -> None:
    with open_socket(scene.service.ws_url, token) as socket:
        socket.subscribe(operation("watch-orders"), "orders", account="demo")
        assert eventually(lambda: "demo" in scene.exchange.accounts_followed())

        def listen() -> None:
            while "Gap" not in str(scene.said[-1]):
                scene.said.append(json.dumps(socket.receive()).encode())

        before = len(scene.said)
        listener = Thread(target=listen)
        listener.start()
        accepted(scene.service.caller(), "watched")
        assert eventually(lambda: any(b"orders" in text for text in scene.said[before:]))
        scene.exchange.streams("cut")
        listener.join()


def a_journal_that_fails(scene: Scene, caller: Caller) -> None:
    scene.valkey.command("SET", "ngw:1:journal:{demo}:record:trader:corrupt", "nonsense")
    assert place(caller, "corrupt")["code"] == "JOURNAL_UNAVAILABLE"
    scene.valkey.kill()
    assert place(caller, "away")["code"] == "JOURNAL_UNAVAILABLE"
    assert eventually(lambda: scene.service.readiness() == "degraded")
    scene.valkey.start()
    assert eventually(lambda: scene.service.readiness() == "ready")


def a_policy_that_is_none(scene: Scene) -> None:
    token = scene.service.members["trader"].token
    for text in (f"{token}: [", json.dumps({"version": 1, "accounts": [token], token: token})):
        scene.service.write_policy_text(text)
        assert eventually(lambda: "policy" in scene.service.problems())
        scene.service.write_policy(scene.service.members.values())
        assert eventually(lambda: scene.service.readiness() == "ready")


def test_no_log_answer_metric_or_record_shows_a_secret_whatever_fails(scene: Scene) -> None:
    caller = scene.service.caller()
    for name in ("viewer", "exchange", "markets"):
        caller.answer(operation(name))
    callers_without_a_right(scene)
    orders_that_fail(scene, caller)
    streams_that_break(scene, caller.token or "")
    a_journal_that_fails(scene, caller)
    a_policy_that_is_none(scene)
    scene.exchange.stop()
    place(caller, "nobody-there")
    caller.post(ACCOUNT, id="demo")
    scene.service.http.get("/readyz")
    scene.service.http.get("/metrics")
    scene.service.close()

    places = scene.places()
    secrets = held() | tokens() | scene.tap.signatures() | {PASSWORD, WRONG_TOKEN}
    assert leaks(places, secrets) == []
    everything = b"".join(places.values())
    for proof in (b"order.ended", b"corrupt_record", b"Traceback", b"gateway_orders_total"):
        assert proof in everything, "or the search is of nothing"
    assert any(b"order-html-502" in places[name] for name in places if "appendonly" in name)


def test_a_gateway_that_runs_leaves_no_core_file(service: Service) -> None:
    limits = Path(f"/proc/{service.pid}/limits").read_text()
    (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_the_search_knows_every_signature_and_finds_a_secret_in_each_of_its_forms(
    scene: Scene,
) -> None:
    caller = scene.service.caller()
    accepted(caller, "first")
    caller.answer(ACCOUNT, id="demo")
    assert len(scene.tap.signatures()) >= 2
    assert scene.tap.signatures() <= signatures(scene.exchange)
    assert leaks({"wire": scene.tap.heard()}, [DEMO.keys[0].api_key]) == ["wire"]
    hidden = [b64encode(before + b"k>>>?~k" + b"after") for before in (b"", b"u:", b"{")]
    hidden += [b"k%3E%3E%3E%3F~k", b"6b3e3e3e3f7e6b", b"k>>>?~k"]
    assert leaks({str(text): text for text in hidden}, ["k>>>?~k"]) == [*map(str, hidden)]
    for form in forms("k>>>?~k"):
        assert leaks({"here": b"x" + form + b"y", "there": b"xy"}, ["k>>>?~k"]) == ["here"]
