"""A simulated Narkasa exchange over real sockets.

It speaks the exchange's document and shares no code with the gateway, so that the two cannot
share a mistake. ``run`` serves until SIGTERM or SIGINT; ``serve`` is the same inside a running
event loop. ``load_scenario`` reads the world that it starts with from a file.
"""

from gateway.sandbox.assets import default_assets
from gateway.sandbox.config import (
    Account,
    ExpectedDeposit,
    KeyPair,
    SandboxConfig,
    StreamOrderIds,
    WithdrawalAddress,
)
from gateway.sandbox.markets import default_markets
from gateway.sandbox.permissions import Permission
from gateway.sandbox.scenario import BadScenario, load_scenario
from gateway.sandbox.server import AddressUnavailableError, RunningSandbox, run, serve

__all__ = [
    "Account",
    "AddressUnavailableError",
    "BadScenario",
    "ExpectedDeposit",
    "KeyPair",
    "Permission",
    "RunningSandbox",
    "SandboxConfig",
    "StreamOrderIds",
    "WithdrawalAddress",
    "default_assets",
    "default_markets",
    "load_scenario",
    "run",
    "serve",
]
