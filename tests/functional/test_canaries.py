"""A day of a gateway with secrets that are looked for afterwards, everywhere and in every form."""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.operations import operation
from gateway.sandbox import KeyPair, Permission
from tests.faults.secrecy import leaks, signature
from tests.faults.tap import Tap
from tests.functional.callers import Caller, Socket, close_frame, open_socket
from tests.functional.conftest import tapped_service
from tests.functional.exchange import DEMO, QUIET
from tests.functional.key_sources import DONE, REFUSED, Terminal
from tests.functional.ordering import accepted, cancel, place
from tests.functional.service import AUDIT, MARKET, OPERATE, READ, TRADE_ALL, Member, Service
from tests.functional.shell import Ended, run
from tests.functional.stored import stored
from tests.oidc.keys import claims_of, rsa_key
from tests.oidc.provider import AUDIENCE, OpenIdProvider, running_provider
from tests.processes import eventually

PASSWORD = "canary.password~of-Redis"
STRANGE_TOKEN = "ngw_" + "canary-of-nobody" * 2
SYMBOL = "BTCTRY"


def pair(name: str, *permissions: Permission) -> KeyPair:
    """Keys that look different in each encoding."""
    return KeyPair(f"canary+{name}/key?=", f"canary+{name}/secret?=", frozenset(permissions))


READER = pair("read", Permission.READ)
TRADER, NEXT = (pair(name, Permission.READ, Permission.TRADE) for name in ("trade", "next"))
REFUSED_PAIR = pair("refused")
KEYS = (READER, TRADER, NEXT)
KEYED = replace(QUIET, accounts=(replace(DEMO, keys=KEYS), *QUIET.accounts[1:]))
PEOPLE = (
    Member("trader", (MARKET, READ, TRADE_ALL)),
    Member("placer", (("orders:place",),)),
    Member("operator", (MARKET, OPERATE, AUDIT)),
    Member("former", (MARKET,), expires="2020-01-01T00:00:00Z"),
)
QUERIES: dict[str, dict[str, object]] = {
    "viewer": {},
    "exchange": {},
    "markets": {},
    "market": {"symbol": SYMBOL},
    "order-book": {"symbol": SYMBOL},
    "candles": {"symbol": SYMBOL, "interval": "M1"},
    "trades": {"symbol": SYMBOL},
    "account": {"id": "demo"},
    "currencies": {"account": "demo"},
    "fills": {"account": "demo"},
    "transfers": {"account": "demo"},
    "transfer-options": {"account": "demo", "asset": "BTC"},
    "placements": {"account": "demo"},
}
ORDERS: dict[str, tuple[str, dict[str, object]]] = {
    "limit": ("BUY", {"limit": {"price": "300000", "quantity": "0.001"}}),
    "stop": ("BUY", {"stopLimit": {"stopPrice": "2", "price": "300000", "quantity": "0.001"}}),
    "market": ("SELL", {"market": {"quantity": "0.001"}}),
    "fast": ("BUY", {"fast": {"quoteTotal": "400"}}),
}
OUTCOMES = ("drop-before", "drop-after", "html-502", "code-before", "code-after")


@dataclass
class Day:
    """A gateway with everything that it has, and all that it said to anybody."""

    service: Service
    tap: Tap
    shell: Terminal
    provider: OpenIdProvider
    folder: Path
    kek_file: Path
    said: list[bytes] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    keks: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def hear(self, response: httpx.Response) -> None:
        """Keep an answer, its headers as well."""
        lines = (b"%b: %b" % line for line in response.headers.raw)
        self.said.append(b"\n".join((*lines, response.read())))

    def listen(self, socket: Socket, until: str) -> None:
        """Keep what a socket says, until that is in it."""
        text = ""
        while until not in text:
            text = json.dumps(socket.receive())
            self.said.append(text.encode())

    def command(self, *words: str, **env: str) -> Ended:
        """Run a command, and keep what it printed."""
        self.ended.append(run(*words, env=env))
        return self.ended[-1]

    def note_keks(self) -> None:
        """Remember the key-encryption keys as they are now."""
        lines = self.kek_file.read_text().splitlines()
        self.keks |= {line.split()[1] for line in lines}

    def write_policy(self) -> None:
        """Trust the provider, and try out a policy under which nothing is granted."""
        issuer = {
            "id": "cluster",
            "issuer": self.provider.issuer,
            "audience": AUDIENCE,
            "algorithms": ["RS256"],
        }
        desk = {
            "id": "desk",
            "kind": "app",
            "identities": [{"issuer": "cluster", "subject": "desk"}],
            "grants": [{"id": "desk-market", "actions": ["market:read"]}],
        }
        policy: dict[str, Any] = {
            "version": 1,
            "accounts": ["demo"],
            "issuers": [issuer],
            "principals": [*(member.entry() for member in PEOPLE), desk],
        }
        self.service.write_policy_text(json.dumps(policy))

    def gateway(self) -> dict[str, str]:
        """What tells a command where the gateway is, and who asks."""
        return {
            "GATEWAY_URL": str(self.service.http.base_url),
            "GATEWAY_TOKEN": self.service.members["trader"].token,
            "OPERATOR_TOKEN": self.service.members["operator"].token,
        }

    def secrets(self) -> set[str | bytes]:
        """Everything that must show nowhere."""
        pairs = (*KEYS, REFUSED_PAIR)
        logins = {signature(keys, keys.api_key) for keys in pairs}
        halves = {half for keys in pairs for half in (keys.api_key, keys.api_secret)}
        members = {member.token for member in PEOPLE}
        opened = {b64decode(kek) for kek in self.keks}
        signed = self.tap.signatures() | set(self.tap.login_frames())
        jwt_signatures = {token.rpartition(".")[2] for token in self.tokens}
        texts = logins | halves | members | signed | self.keks | self.tokens | jwt_signatures
        return {*texts, *opened, PASSWORD, STRANGE_TOKEN}

    def places(self) -> dict[str, bytes]:
        """All that was said, written and stored, and what the machine shows of the processes."""
        ended = [*self.ended, *self.shell.ended]
        return {
            **{f"answer {number}": text for number, text in enumerate(self.said)},
            **{f"command {number}": each.printed.encode() for number, each in enumerate(ended)},
            **{f"arguments {number}": each.arguments for number, each in enumerate(ended)},
            **self._files(),
        }

    def alive(self) -> dict[str, bytes]:
        """What is seen of the gateway while it runs: in Redis, and of its process."""
        process = Path(f"/proc/{self.service.pid}")
        try:
            environment = process.joinpath("environ").read_bytes().split(b"\0")
        except PermissionError:  # so it is for all but a privileged user
            environment = []
        given = (b"NGW_STATE_REDIS_URL=", b"NGW_CACHE_REDIS_URL=")
        others = [line for line in environment if not line.startswith(given)]
        return {
            **stored(self.service.valkey.url, 0),
            **stored(self.service.valkey.tcp_url, 1),
            "command line": process.joinpath("cmdline").read_bytes(),
            "environment": b"\n".join(others),
        }

    def _files(self) -> dict[str, bytes]:
        """All files but those that are to hold secrets: the log, the audit log, the sealed keys."""
        folders = (self.folder, self.service.log.parent)
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        given = (self.kek_file, self.service.log.parent / "credentials")
        return {
            str(file): file.read_bytes()
            for file in files
            if not any(file.is_relative_to(place) for place in given)
        }


@pytest.fixture
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A gateway with sealed keys, an audit log, an issuer, and a Redis that asks for a password."""
    folder = tmp_path_factory.mktemp("canaries")
    shell = Terminal(folder, "")
    shell.keys("add", "demo", "trade", given=TRADER)
    shell.keys("add", "demo", "read", given=READER)
    candidate = folder / "candidate.json"
    candidate.write_text('{"version": 1, "accounts": ["demo"], "principals": []}')
    settings = {
        "NGW_CREDENTIALS_DIR": "",
        "NGW_LOG_LEVEL": "DEBUG",
        "NGW_AUDIT_FILE": str(folder / "audit.jsonl"),
        "NGW_AUDIT_ANCHOR_S": "1",
        "NGW_POLICY_CANDIDATE_FILE": str(candidate),
        **shell.settings,
    }
    with (
        running_provider(rsa_key()) as provider,
        tapped_service(tmp_path_factory, KEYED, PEOPLE, settings, PASSWORD) as (service, tap),
    ):
        shell.exchange_url = f"http://127.0.0.1:{tap.port}"
        shell.settings["NGW_STATE_REDIS_URL"] = service.valkey.url
        made = Day(service, tap, shell, provider, folder, folder / "kek")
        made.note_keks()
        service.http.event_hooks = {"response": [made.hear]}
        made.write_policy()
        yield made


def ask(day: Day) -> None:
    """Ask for everything there is to be asked for, as who may and as who may not."""
    for name in ("trader", "operator", "former"):
        for document, variables in QUERIES.items():
            day.service.caller(name).post(operation(document), **variables)
    day.tokens.add(day.provider.token())
    for token in (*day.tokens, STRANGE_TOKEN, TRADER.api_secret, READER.api_key):
        Caller(day.service.http, token).post(operation("viewer"))


def forge(day: Day) -> None:
    """Show tokens that are none, each where a token may be."""
    claims = claims_of(day.provider.issuer, AUDIENCE, "desk")
    day.tokens |= {rsa_key().sign(claims), rsa_key("strange").sign(claims)}
    for token in (*day.tokens, STRANGE_TOKEN):
        day.service.http.get(f"/{token}", params={"token": token}, headers={"Cookie": token})
        Caller(day.service.http, token).post(token, token=token)
        with open_socket(day.service.ws_url) as socket:
            socket.send(type="connection_init", payload={"Authorization": token, token: token})
            frame = close_frame(socket.connection)
            day.said.append(f"{frame.code} {frame.reason}".encode())


def trade(day: Day) -> None:
    """Order everything there is to be ordered, and let each step go wrong."""
    exchange, trader = day.service.exchange, day.service.caller()
    exchange.trade(SYMBOL, "400000", "0.01")
    exchange.counterparty.limit("buy", SYMBOL, "399000", "1")
    exchange.counterparty.limit("sell", SYMBOL, "401000", "1")
    for name, (side, terms) in ORDERS.items():
        order = {"account": "demo", "symbol": SYMBOL, "side": side, "order": terms}
        trader.answer(operation("place-order"), input={**order, "clientOrderId": name})
    kept = accepted(trader, "kept")["order"]["orderId"]
    for outcome in OUTCOMES:
        with exchange.fault("market/limit-buy", outcome=outcome):
            place(trader, f"order-{outcome}")
        with exchange.fault("market/cancel-order", outcome=outcome):
            cancel(trader, kept)
        with exchange.fault("balance/wallet", outcome=outcome):
            trader.post(operation("account"), id="demo")
    trader.post(operation("placements"), account="demo")


def follow(day: Day) -> None:
    """Follow the account while it changes and its stream breaks."""
    with open_socket(day.service.ws_url, day.service.caller().token) as socket:
        socket.subscribe(operation("watch-orders"), "orders", account="demo")
        socket.subscribe(operation("watch-balances"), "balances", account="demo")
        accepted(day.service.caller(), "followed")
        day.listen(socket, "followed")
        day.service.exchange.streams("cut")
        day.listen(socket, "Gap")


def change_keys(day: Day) -> None:
    """Rotate, break, stop, probe and reseal the keys that are in use."""
    shell, service = day.shell, day.service
    assert shell.keys("rotate", "demo", "trade", given=REFUSED_PAIR) == REFUSED
    assert shell.keys("rotate", "demo", "trade", given=NEXT) == DONE
    assert shell.keys("reseal", "--new-kek") == DONE
    day.note_keks()
    for words in (("probe", "demo", "trade"), ("retire", "demo", "trade", "1"), ("list",)):
        assert shell.keys(*words) == DONE
    assert eventually(lambda: "demo/trade@3" in service.log.read_text())
    file = Path(shell.settings["NGW_KEYS_FILE"])
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert eventually(lambda: "keys" in service.problems())
    file.write_bytes(whole)
    with service.exchange.fault("market/limit-buy", outcome="code-before", code="20001", count=1):
        place(service.caller(), "stops-the-key")
    assert eventually(lambda: "keys" not in service.problems())


def operate(day: Day) -> None:
    """Halt and resume, suspend and restore, look at the audit log: over GraphQL and by command."""
    service, gateway = day.service, day.gateway()
    redis = {"NGW_STATE_REDIS_URL": service.valkey.url}
    policy = str(day.folder / "candidate.json")
    halt = ("trading", "set", "HALTED", "--reason", "drill")
    assert day.command(*halt, **gateway).status == DONE
    place(service.caller(), "halted")
    for words, env in (
        ("trading show", gateway),
        ("trading set ACTIVE --reason over", gateway),
        ("trading suspend placer --reason drill", gateway),
        ("trading restore placer --reason over", gateway),
        ("orders unresolved --account demo", gateway),
        ("orders cancel-all --account demo", gateway),
        ("watch balances demo --count 1", gateway),
        ("audit tail --count 1000", redis),
        ("audit export", redis),
        (f"policy check {policy}", {}),
        (f"policy explain {policy} --as trader --do market:read", {}),
    ):
        ended = day.command(*words.split(), **env)
        assert "Traceback" not in ended.printed
    service.caller("operator").answer(operation("audit-log"), first=200)
    strange = {"GATEWAY_URL": gateway["GATEWAY_URL"], "GATEWAY_TOKEN": STRANGE_TOKEN}
    assert day.command("trading", "show", **strange).status != DONE


def start_wrongly(day: Day) -> None:
    """Start others that cannot: with a key too few, a wrong password, secrets where none belong."""
    kek = next(iter(day.keks))
    for wrong in (
        {"NGW_KEY_ENCRYPTION_KEY_FILE": "", "NGW_KEY_ENCRYPTION_KEY": f"other {kek}"},
        {"NGW_CREDENTIALS": json.dumps({"demo": {"api_secret": TRADER.api_secret}})},
        {"NGW_CREDENTIALS": TRADER.api_secret},
        {
            "NGW_KEY_ENCRYPTION_KEY": f"kek {kek}",
            "NGW_STATE_REDIS_URL": PASSWORD,
            "NGW_EXCHANGE_REST_URL": TRADER.api_key,
            "NGW_PORT": PASSWORD,
            "NGW_PASWORD": PASSWORD,
        },
    ):
        status, printed = day.service.try_start(wrong)
        assert status != DONE
        day.said.append(printed.encode())


def break_off(day: Day) -> None:
    """Lose Redis, and after that the exchange."""
    trader = day.service.caller()
    day.service.valkey.kill()
    place(trader, "no-redis")
    for name, variables in QUERIES.items():
        trader.post(operation(name), **variables)
    day.service.valkey.start()
    # Another server than before: somebody must look whether it has lost anything.
    assert eventually(lambda: "quarantine" in day.service.problems())
    reopen = ("trading", "reopen", "--account", "demo", "--reason", "drill")
    assert day.command(*reopen, **day.gateway()).status == DONE
    assert eventually(lambda: day.service.readiness() == "ready")
    day.service.exchange.stop()
    place(trader, "no-exchange")
    trader.post(operation("account"), id="demo")


@pytest.mark.timeout(180)  # two dozen processes are started in it
def test_no_secret_shows_anywhere_in_any_form_after_a_day_of_everything(day: Day) -> None:
    acts = (ask, forge, trade, follow, change_keys, trade_again, operate, start_wrongly)
    for act in acts:
        act(day)
        for path in ("/metrics", "/readyz", "/healthz"):
            day.service.http.get(path)
    seen = day.alive()
    break_off(day)
    day.service.close()
    everywhere = {**seen, **day.places(), "redis": day.service.valkey.written()}
    assert leaks(everywhere, day.secrets()) == []
    check_that_it_was_a_day(day, everywhere)


def trade_again(day: Day) -> None:
    """Trade with the key that was rotated to."""
    cancel(day.service.caller(), accepted(day.service.caller(), "again")["order"]["orderId"])


def check_that_it_was_a_day(day: Day, places: dict[str, bytes]) -> None:
    """See that what was searched is what happened, and that each secret was in use."""
    said = b"".join(places.values())
    for proof in (
        b"key.switched",
        b"key.stopped",
        b"keys.refused",
        b"WOULD_DENY",
        b"audit.head",
        b"order-html-502",
        b"gateway_orders_total",
        b"key-encryption",
        b"TRADING_HALTED",
        b"suspended",
    ):
        assert proof in said, proof
    assert {name.split(",")[0] for name in places if name.startswith("database")} == {
        "database 0",
        "database 1",
    }
    assert all(day.tap.times_used(keys.api_key) for keys in (READER, TRADER, NEXT))
    assert len(day.tap.signatures()) > 20
    assert len(day.tap.login_frames()) > 1
    assert len(day.keks) == 2
