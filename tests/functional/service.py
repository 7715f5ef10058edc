"""The gateway as a process of its own, with everything that it is told from outside."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway.sandbox import Account
from tests.functional.callers import Caller, Json
from tests.functional.exchange import DEMO, VAULT, Exchange
from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer, die_with_parent

MARKET = ("market:read",)
READ = ("account:read",)
TRADE = ("orders:place", "orders:cancel")
TRADE_ALL = (*TRADE, "orders:read-all")
OPERATE = ("operate",)
AUDIT = ("audit:read",)
OF_NO_ACCOUNT = (MARKET, OPERATE, AUDIT)


@dataclass(frozen=True)
class Member:
    """A principal as the policy file has it, with grants on one account."""

    name: str
    grants: tuple[tuple[str, ...], ...] = ()
    expires: str | None = None
    account: str = "demo"

    @property
    def token(self) -> str:
        """What proves it."""
        return f"ngw_{hashlib.sha256(self.name.encode()).hexdigest()}"

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        token = {"sha256": hashlib.sha256(self.token.encode()).hexdigest()}
        if self.expires is not None:
            token["expires"] = self.expires
        return {
            "id": self.name,
            "kind": "app",
            "tokens": [token],
            "grants": [self._grant(number, grant) for number, grant in enumerate(self.grants)],
        }

    def _grant(self, number: int, actions: tuple[str, ...]) -> dict[str, Any]:
        grant = {"id": f"{self.name}-{number}", "actions": actions}
        return grant if actions in OF_NO_ACCOUNT else {**grant, "account": self.account}


PEOPLE = (
    Member("trader", (MARKET, READ, TRADE_ALL)),
    Member("second-trader", (MARKET, READ, TRADE)),
    Member("reader", (MARKET,)),
    Member("auditor", (MARKET, READ)),
    Member("placer", (TRADE,)),
    Member("operator", (MARKET, OPERATE, AUDIT)),
    Member("stranger"),
    Member("former", (MARKET,), expires="2020-01-01T00:00:00Z"),
)
"""A principal for each thing that a test needs one for."""


class Service:
    """One gateway: its settings, policy, credentials and log in `folder`, its process.

    `accounts` are those whose keys it holds, `people` those who may call.
    """

    def __init__(
        self,
        folder: Path,
        exchange: Exchange,
        valkey: ValkeyServer,
        settings: dict[str, str],
        accounts: Sequence[Account] = (DEMO, VAULT),
        people: Sequence[Member] = PEOPLE,
    ) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.accounts = tuple(accounts)
        self.exchange = exchange
        self.valkey = valkey
        self.log = folder / "gateway.log"
        self.members = {member.name: member for member in people}
        self.write_policy(self.members.values())
        _write_credentials(folder / "credentials", accounts)
        self.port = free_port()
        self.ws_url = f"ws://127.0.0.1:{self.port}/graphql"
        self._settings = self._defaults() | settings
        base_url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)

    def replica(self) -> "Service":
        """Another gateway beside this one, with the same files and the same Valkey; start it."""
        other = copy(self)
        other._process = None  # noqa: SLF001 - it is of this class
        other.port = free_port()
        other.log = self._folder / f"gateway-{other.port}.log"
        other.ws_url = f"ws://127.0.0.1:{other.port}/graphql"
        other._settings = self._settings | {"NGW_PORT": str(other.port)}  # noqa: SLF001
        base_url = f"http://127.0.0.1:{other.port}"
        other.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)
        return other

    def start(self, ready: Sequence[str] = ("ready",)) -> None:
        """Start it, and wait until it says that it is `ready`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve"],
                env={"PATH": os.environ["PATH"], **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
            )
        process = self._process
        eventually(lambda: self.readiness() in ready or process.poll() is not None)
        assert self.readiness() in ready, self.log.read_text()

    def try_start(self, settings: dict[str, str]) -> tuple[int, str]:
        """Start another one with changed settings that cannot start: exit code and output."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "serve"],
            env={"PATH": os.environ["PATH"], **self._settings, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=30,
        )
        return done.returncode, done.stdout

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def exit_code(self, within_s: float = 30) -> int:
        """Wait for its end."""
        assert self._process is not None
        return self._process.wait(timeout=within_s)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            finally:
                self._process.kill()

    def caller(self, name: str = "trader") -> Caller:
        """A caller with the token of a principal."""
        return Caller(self.http, self.members[name].token)

    def write_policy(self, everyone: Iterable[Member]) -> None:
        """Write the policy file; JSON is YAML."""
        policy = {
            "version": 1,
            "accounts": [account.account_id for account in self.accounts],
            "principals": [member.entry() for member in everyone],
        }
        self.write_policy_text(json.dumps(policy))

    def write_policy_text(self, text: str) -> None:
        """Replace the policy file, in one step."""
        fresh = self._folder / "policy.new"
        fresh.write_text(text)
        fresh.replace(self._folder / "policy.yaml")

    def readiness(self) -> str:
        """What /readyz calls its state; "away" while nothing answers."""
        try:
            return str(self.http.get("/readyz").json()["status"])
        except httpx.TransportError:
            return "away"

    def problems(self) -> dict[str, str]:
        """What /readyz says is wrong, by part."""
        problems: dict[str, str] = self.http.get("/readyz").json()["problems"]
        return problems

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric, summed over the labels that are not given."""
        families = text_string_to_metric_families(self.http.get("/metrics").text)
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def events(self) -> list[Json]:
        """The lines of its log but for the audit entries, which a test of theirs reads."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line for line in lines if "audit" not in line]

    def complaints(self, since: int = 0) -> list[str]:
        """The log's lines, from a place on, that speak of an error inside the gateway."""
        lines = self.log.read_bytes()[since:].decode().splitlines()
        return [line for line in lines if "Traceback" in line or '"level": "error"' in line]

    def _defaults(self) -> dict[str, str]:
        return {
            "NGW_PORT": str(self.port),
            "NGW_POLICY_FILE": str(self._folder / "policy.yaml"),
            "NGW_POLICY_RELOAD_S": "0.2",
            "NGW_CREDENTIALS_DIR": str(self._folder / "credentials"),
            "NGW_ACCOUNT_RATE": "10000/s",
            "NGW_KEYS_RELOAD_S": "0.2",
            "NGW_KEY_RECHECK_S": "0.2",
            "NGW_CACHE_REDIS_URL": self.valkey.url,
            "NGW_STATE_REDIS_URL": self.valkey.url,
            "NGW_EXCHANGE_REST_URL": self.exchange.url,
            "NGW_EXCHANGE_WS_URL": self.exchange.stream_url,
            "NGW_EXCHANGE_READ_TIMEOUT_S": "1",
            "NGW_ORDER_GUARD_S": "1",
            "NGW_FEED_LINGER_S": "0.2",
            "NGW_FEED_BACKOFF_CAP_S": "0.5",
            "NGW_CONNECTION_INIT_S": "1",
            "NGW_ALLOWED_ORIGINS": "https://desk.example.com",
        }


def _write_credentials(folder: Path, accounts: Iterable[Account]) -> None:
    for account in accounts:
        place = folder / account.account_id
        place.mkdir(parents=True)
        (keys,) = account.keys
        for name, value in (("api-key", keys.api_key), ("api-secret", keys.api_secret)):
            (place / name).write_text(value)
            (place / name).chmod(0o600)
