"""`narkasa-gateway sandbox`: the simulated exchange as a process of its own."""

from dataclasses import dataclass, replace
from pathlib import Path

import typer

from gateway.observability import Redactor, configure_logging
from gateway.sandbox import AddressUnavailableError, BadScenario, load_scenario
from gateway.sandbox import run as run_sandbox

_EXAMPLE = """\
--scenario: name a YAML file that says whom the exchange knows, such as

accounts:
  - id: demo
    keys:
      - apiKey: choose-a-key
        apiSecret: choose-a-secret
    balances: {USDT: 100000, BTC: 2}

docs/sandbox.md describes every key of it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The command's options."""

    host: str
    port: int
    scenario: Path | None
    control: bool


def run(choices: Choices) -> int:
    """Serve until stopped (0); 2 if something must be set right before."""
    if choices.scenario is None:
        typer.echo(_EXAMPLE, err=True)
        return 2
    configure_logging("INFO", "console", Redactor())
    try:
        world = load_scenario(choices.scenario)
        run_sandbox(replace(world, host=choices.host, port=choices.port, control=choices.control))
    except (BadScenario, AddressUnavailableError, ValueError) as problem:
        typer.echo(str(problem), err=True)
        return 2
    return 0
