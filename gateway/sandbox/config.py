"""What a sandbox exchange is started with: where it listens, whom it knows, how it behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

import msgspec


class AccountsFileError(ValueError):
    """The accounts file cannot be read as accounts. The text says what is wrong, never a secret."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An API key and the secret that signs with it. Neither shows in a repr."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the sandbox: its key pairs and the available balances it starts with."""

    account_id: str
    keys: tuple[KeyPair, ...]
    balances: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything a sandbox is started with.

    host, port: the one listener, for REST, streams and control; port 0 picks a free one.
    seed: of prices, history and order ids. market_maker: whether prices move by themselves.
    control: whether ``/control`` answers; only with a loopback ``host``, else ValueError.
    tick_seconds: pause between two moves of the market maker.
    history: whether candles and 24h statistics start with an invented past.
    disabled_markets: symbols that refuse orders with 10038.
    stream_queue: frames that may wait for one slow stream before it is cut.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    accounts: tuple[Account, ...] = ()
    seed: int = 0
    market_maker: bool = True
    control: bool = False
    tick_seconds: float = 0.5
    history: bool = True
    disabled_markets: frozenset[str] = frozenset()
    stream_queue: int = 1000

    def __post_init__(self) -> None:
        """Refuse a control endpoint that others than this machine could reach."""
        if self.control and not is_loopback(self.host):
            message = f"control needs a loopback host, not {self.host}"
            raise ValueError(message)


def is_loopback(host: str) -> bool:
    """Tell whether an address (or the name localhost) can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _KeyEntry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    api_key: str
    api_secret: str


class _AccountEntry(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    keys: list[_KeyEntry]
    balances: dict[str, Decimal]


class _AccountsFile(msgspec.Struct, forbid_unknown_fields=True):
    accounts: list[_AccountEntry]


def load_accounts(path: Path) -> tuple[Account, ...]:
    """Read accounts from a JSON file.

    ``{"accounts": [{"id": "demo", "keys": [{"apiKey": "…", "apiSecret": "…"}],
    "balances": {"USDT": "100000"}}]}``; balances are strings or numbers, read without loss.
    Raises AccountsFileError.
    """
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=_AccountsFile).accounts
    except OSError as error:
        raise AccountsFileError(path, error.strerror or "cannot be read") from error
    except msgspec.DecodeError as error:
        raise AccountsFileError(path, str(error)) from None
    return tuple(
        Account(
            account_id=entry.id,
            keys=tuple(KeyPair(key.api_key, key.api_secret) for key in entry.keys),
            balances=entry.balances,
        )
        for entry in entries
    )
