"""`narkasa-gateway sandbox`: the simulated exchange as a process of its own."""

from dataclasses import dataclass
from pathlib import Path

import typer

from gateway.observability import Redactor, configure_logging
from gateway.sandbox import (
    AccountsFileError,
    AddressUnavailableError,
    SandboxConfig,
    load_accounts,
)
from gateway.sandbox import (
    run as run_sandbox,
)

_ACCOUNTS_EXAMPLE = (
    '{"accounts": [{"id": "demo", "keys": [{"apiKey": "...", "apiSecret": "..."}], '
    '"balances": {"USDT": "100000"}}]}'
)


@dataclass(frozen=True, slots=True)
class Choices:
    """The command's options."""

    host: str
    port: int
    accounts: Path | None
    seed: int
    market_maker: bool
    control: bool


def run(choices: Choices) -> int:
    """Serve until stopped (0); 2 if something must be set right before."""
    if choices.accounts is None:
        typer.echo(f"--accounts: name a JSON file such as {_ACCOUNTS_EXAMPLE}", err=True)
        return 2
    configure_logging("INFO", "console", Redactor())
    try:
        run_sandbox(
            SandboxConfig(
                host=choices.host,
                port=choices.port,
                accounts=load_accounts(choices.accounts),
                seed=choices.seed,
                market_maker=choices.market_maker,
                control=choices.control,
            )
        )
    except (AccountsFileError, AddressUnavailableError, ValueError) as problem:
        typer.echo(str(problem), err=True)
        return 2
    return 0
