"""Every command: what it takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.audit import commands as audit
from gateway.cli.keys import commands as keys
from gateway.cli.orders import commands as orders
from gateway.cli.policy import commands as policy
from gateway.cli.trading import commands as trading
from gateway.cli.vkeys import commands as vkeys
from gateway.cli.watch import commands as watch

app = typer.Typer(
    name="narkasa-gateway",
    help="A GraphQL gateway between a team's applications and the Narkasa crypto exchange.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    # A traceback that shows local variables shows secrets.
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("narkasa-gateway"))
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take what stands before a command; `--version` answers by itself."""


@app.command()
def serve() -> None:
    """Run the gateway, with the settings NGW_... of the environment (see .env.example).

    Ends in order on SIGTERM. What is wrong with settings, policy or credentials is printed, one
    fault a line, with exit status 2.
    """
    from gateway.cli.serving import serve as serve_gateway

    raise typer.Exit(serve_gateway(os.environ))


@app.command()
def check(
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="See also that each Redis can be reached.")
    ] = False,
) -> None:
    """Tell every fault of the configuration at once: settings, policy file, credentials.

    Takes the same environment as 'serve'. Exit status 0 if all is well, else 2.
    """
    from gateway.cli.checking import check as check_configuration

    raise typer.Exit(check_configuration(os.environ, connect=connect))


def dev(
    *,
    die_with_parent: Annotated[
        bool,
        typer.Option("--die-with-parent", help="Stop when the process that started this one ends."),
    ] = False,
) -> None:
    """Run everything on this machine: the gateway, a simulated exchange and a Redis server.

    Listens on $GATEWAY_PORT (8000) and $SANDBOX_PORT (8001), on the loopback address only. Keeps
    its files in .dev, with new keys, token and data at each start; .dev/env holds variables to
    source while it runs. Settings NGW_... of the environment reach the gateway, but for those
    that decide where it listens and whom it talks to, and with which keys. Ctrl-C stops all.
    """
    from gateway.cli.dev.start import start

    raise typer.Exit(start(die_with_parent=die_with_parent))


def sandbox(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8001,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    scenario: Annotated[
        Path | None,
        typer.Option(help="YAML file: accounts, keys, balances, markets, seed (docs/sandbox.md)."),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Answer at /control: faults on demand. Loopback only.")
    ] = False,
) -> None:
    """Run a simulated exchange: REST and streams as in the exchange's document, keys checked."""
    from gateway.cli.sandbox import Choices, run

    raise typer.Exit(run(Choices(host, port, scenario, control)))


if find_spec("gateway.sandbox"):  # an image has neither
    app.command()(dev)
    app.command()(sandbox)

app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(orders.app, name="orders")
app.add_typer(policy.app, name="policy")
app.add_typer(trading.app, name="trading")
app.add_typer(vkeys.app, name="vkeys")
app.add_typer(watch.app, name="watch")


@app.command()
def schema(
    *,
    file: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Compare with FILE; 1 if it differs."),
    ] = None,
) -> None:
    """Print the GraphQL schema, as the code defines it."""
    from gateway.cli.contract import compare, show

    raise typer.Exit(show() if file is None else compare(file))
