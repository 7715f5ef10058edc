"""A simulated Narkasa exchange over real sockets.

It speaks the exchange's document and shares no code with the gateway, so that the two cannot
share a mistake. ``run`` serves until SIGTERM or SIGINT; ``serve`` is the same inside a running
event loop.
"""

from gateway.sandbox.config import (
    Account,
    AccountsFileError,
    KeyPair,
    SandboxConfig,
    load_accounts,
)
from gateway.sandbox.server import AddressUnavailableError, RunningSandbox, run, serve

__all__ = [
    "Account",
    "AccountsFileError",
    "AddressUnavailableError",
    "KeyPair",
    "RunningSandbox",
    "SandboxConfig",
    "load_accounts",
    "run",
    "serve",
]
