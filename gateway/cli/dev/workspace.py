"""The folder `.dev` of one run: fresh secrets, the policy, the logs, and `env` to source."""

import contextlib
import fcntl
import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gateway.access.principal import ANONYMOUS
from gateway.access.tokens import hash_token, new_token
from gateway.cli.dev import private
from gateway.custody.encryption_keys import new_encryption_key
from gateway.domain.signing import Purpose

ACCOUNT = "demo"
OUTSIDER = "outsider"
APP = "demo-app"
OPERATOR = "demo-operator"
FUNDS = {"USDT": "100000", "TRY": "1000000", "BTC": "5", "ETH": "50"}
_ADDRESSES = [
    {"asset": "BTC", "channel": "BTC", "name": "Cold wallet", "address": f"bc1q{'0' * 38}"},
    {"asset": "USDT", "channel": "ERC20", "name": "Treasury", "address": f"0x{'0' * 40}"},
    {"asset": "TRY", "channel": "VAKIFBANK", "name": "House bank", "address": f"TR{'0' * 24}"},
]
# Of assets that are no part of the funds, so that these are what they are said to be.
_DEPOSITS = [
    {"asset": "XRP", "quantity": "1500"},
    {"asset": "LINK", "quantity": "40", "afterSeconds": 60},
]


_EVERY_RIGHT = ("read", "trade", "withdraw")
# No more than the purpose needs; every key must read to pass the authentication test.
_RIGHTS = {Purpose.READ: ("read",), Purpose.TRADE: ("read", "trade")}


class AlreadyRunning(Exception):
    """Another run holds the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        """Name the folder."""
        return f"another 'narkasa-gateway dev' is running in {self.folder.parent}"


class UnusableFolder(Exception):
    """The folder cannot be made: a file of that name is in the way, or rights are missing."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        """Name the folder and the reason."""
        return f"{self.folder} cannot be used as a folder ({self.reason}): move it out of the way"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An exchange account's API key and secret; they show in no repr."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What one run makes up: key pairs on the sandbox, the app's token and the operator's.

    `demo` has a pair for each purpose that the gateway holds a key for. `encryption_key` is the
    line of a file of key-encryption keys.
    """

    demo: Mapping[Purpose, KeyPair]
    outsider: KeyPair
    token: str = field(repr=False)
    operator_token: str = field(repr=False)
    encryption_key: str = field(repr=False)


def make_secrets(random_bytes: Callable[[int], bytes]) -> Secrets:
    """Make new key pairs, as long as the exchange's, new tokens and a key-encryption key."""
    read, trade, outsider = (
        KeyPair(random_bytes(32).hex(), random_bytes(32).hex()) for _ in range(3)
    )
    demo = {Purpose.READ: read, Purpose.TRADE: trade}
    return Secrets(
        demo,
        outsider,
        new_token(random_bytes),
        new_token(random_bytes),
        new_encryption_key("dev", random_bytes),
    )


class Workspace:
    """The folder's files, by purpose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.env_file = self.folder / "env"
        self.policy_file = self.folder / "policy.yaml"
        self.scenario_file = self.folder / "sandbox.yaml"
        self.credentials = self.folder / "credentials"
        self.kek_file = self.folder / "kek"
        self.logs = self.folder / "logs"
        self.store = self.folder / "valkey"
        self.audit_file = self.logs / "audit.jsonl"

    def require_free(self) -> None:
        """Raise `AlreadyRunning` while another process holds the folder. Nothing is made."""
        with contextlib.ExitStack() as opened:
            try:
                lock = opened.enter_context((self.folder / "lock").open())
            except OSError:
                return  # nobody made it, or `claimed` tells what is wrong with it
            self._hold(lock)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this process, empty but for what stays; `env` goes at the end.

        Raises `AlreadyRunning` and `UnusableFolder`. A process that is killed lets go of the
        folder as well.
        """
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise UnusableFolder(self.folder, error.strerror or type(error).__name__) from None
        with private.create(self.folder / "lock") as lock:
            self._hold(lock)
            self._clear()
            try:
                yield
            finally:
                self.env_file.unlink(missing_ok=True)

    def _hold(self, lock: IO[Any]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(self.folder) from error

    def _clear(self) -> None:
        self.env_file.unlink(missing_ok=True)
        for folder in (self.credentials, self.logs, self.store):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)

    def write(self, secrets: Secrets) -> None:
        """Write what the servers are started with: accounts, credentials, policy."""
        private.write(self.scenario_file, _scenario(secrets))
        account = self.credentials / ACCOUNT
        account.mkdir(mode=0o700)
        for purpose, pair in secrets.demo.items():
            place = account / purpose
            place.mkdir(mode=0o700)
            private.write(place / "api-key", pair.api_key)
            private.write(place / "api-secret", pair.api_secret)
        private.write(self.kek_file, secrets.encryption_key)
        private.write(self.policy_file, _policy(secrets))

    def write_env(self, variables: Mapping[str, str]) -> None:
        """Write `env`, for other terminals to source."""
        lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        private.write(self.env_file, "".join(lines))


def _scenario(secrets: Secrets) -> str:
    of_demo = [_key(pair, _RIGHTS[purpose]) for purpose, pair in secrets.demo.items()]
    keys = {ACCOUNT: of_demo, OUTSIDER: [_key(secrets.outsider)]}
    accounts = [
        {
            "id": name,
            "keys": of_account,
            "balances": FUNDS,
            "withdrawalAddresses": _ADDRESSES,
            "deposits": _DEPOSITS,
        }
        for name, of_account in keys.items()
    ]
    return json.dumps({"transfers": {"stepSeconds": 20}, "accounts": accounts}, indent=2)


def _key(pair: KeyPair, rights: tuple[str, ...] = _EVERY_RIGHT) -> dict[str, object]:
    return {"apiKey": pair.api_key, "apiSecret": pair.api_secret, "permissions": rights}


def _policy(secrets: Secrets) -> str:
    of_app = "account:read, orders:place, orders:cancel, orders:read-all"
    return f"""\
# Written by 'narkasa-gateway dev' and replaced at its next start. The gateway follows changes.
version: 1
accounts: [{ACCOUNT}]
principals:
  - id: {APP}
    kind: app
    tokens:
      - {{sha256: {hash_token(secrets.token)}}}
    grants:
      - {{id: {APP}-market, actions: [market:read]}}
      - {{id: {APP}-{ACCOUNT}, account: {ACCOUNT}, actions: [{of_app}]}}
  - id: {OPERATOR}
    kind: person
    tokens:
      - {{sha256: {hash_token(secrets.operator_token)}}}
    grants:
      - {{id: {OPERATOR}-market, actions: [market:read]}}
      - {{id: {OPERATOR}-everything, actions: [operate, audit:read]}}
      - {{id: {OPERATOR}-{ACCOUNT}, account: {ACCOUNT}, actions: [account:read]}}
  - id: {ANONYMOUS}  # whoever asks for market data in the exchange's own protocol, without a key
    kind: app
    # All of them together have 20/s (NGW_ANONYMOUS_RATE), unless a `rate` stands here.
    grants:
      - {{id: {ANONYMOUS}-market, actions: [market:read]}}
"""
