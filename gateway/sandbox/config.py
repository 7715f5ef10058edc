"""What a sandbox exchange is started with: where it listens, whom it knows, how it behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias

from gateway.sandbox.assets import Asset, default_assets
from gateway.sandbox.markets import Market, default_markets
from gateway.sandbox.permissions import Permission

Network: TypeAlias = IPv4Network | IPv6Network

DEFAULT_TRANSFER_STEP_MS = 2_000


class StreamOrderIds(StrEnum):
    """The ids of orders on the stream: those of REST, or 64 digits of their own."""

    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An API key and the secret that signs with it. Neither shows in a repr.

    ``permissions``: what it may do. ``addresses``: where it may come from; none means anywhere.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    permissions: frozenset[Permission] = frozenset(Permission)
    addresses: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawalAddress:
    """An address that an account has registered for one channel of an asset."""

    asset: str
    channel: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class ExpectedDeposit:
    """A deposit that turns up ``after_ms`` after the start, and then goes its way."""

    asset: str
    quantity: Decimal
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the sandbox: its key pairs and the available balances it starts with.

    ``registered``: else every signed request is refused with 10010. ``verification``: 0, or the
    last step of identity verification that was done, 1 or 2. ``country``: of two letters.
    """

    account_id: str
    keys: tuple[KeyPair, ...]
    balances: Mapping[str, Decimal]
    registered: bool = True
    verification: int = 2
    country: str = "TR"
    withdrawal_addresses: tuple[WithdrawalAddress, ...] = ()
    deposits: tuple[ExpectedDeposit, ...] = ()


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything a sandbox is started with.

    host, port: the one listener, for REST, streams and control; port 0 picks a free one.
    seed: of prices, history and ids. market_maker: whether prices move by themselves.
    control: whether ``/control`` answers; only with a loopback ``host``, else ValueError.
    tick_seconds: pause between two moves of the market maker.
    history: whether candles and 24h statistics start with an invented past.
    markets, assets: by symbol; every market is of two of the assets.
    transfer_step_ms: how long a deposit or withdrawal stays in each state.
    registered_addresses_only: whether a withdrawal must go to an address of the account's list.
    stream_order_ids: whether an order's id on the stream is the one on REST.
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
    markets: Mapping[str, Market] = field(default_factory=default_markets)
    assets: Mapping[str, Asset] = field(default_factory=default_assets)
    transfer_step_ms: int = DEFAULT_TRANSFER_STEP_MS
    registered_addresses_only: bool = True
    stream_order_ids: StreamOrderIds = StreamOrderIds.SAME
    stream_queue: int = 1000

    @property
    def account_ids(self) -> list[str]:
        """The clients; the house is not among them."""
        return [account.account_id for account in self.accounts]

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
