"""The commands of `vkeys`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.cli.vkeys.desk import VirtualKeyDesk

app = typer.Typer(
    help="Key pairs for clients of the exchange's own protocol (docs/virtual-keys.md), in the "
    "Redis of NGW_STATE_REDIS_URL. Each change goes on record in the audit log there. Exit status: "
    "0 done, 1 not known whether it was done, 2 something to set right.",
    no_args_is_help=True,
)

KekFile = Annotated[
    Path | None,
    typer.Option(
        "--kek-file",
        envvar="NGW_KEY_ENCRYPTION_KEY_FILE",
        metavar="FILE",
        help="The key-encryption keys that seal them; without, NGW_KEY_ENCRYPTION_KEY.",
    ),
]


@app.command()
def issue(
    principal: Annotated[
        str, typer.Option(metavar="PRINCIPAL", help="Whom the policy knows its holder as.")
    ],
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="The account it acts on.")],
    kek_file: KekFile = None,
) -> None:
    """Make a pair and print it, this once. Every running gateway takes it at once.

    Principal and account are looked up in the policy NGW_POLICY_FILE, where that is set; what is
    not granted there is said.
    """
    raise typer.Exit(_desk(kek_file).issue(principal, account))


@app.command("list")
def list_keys(kek_file: KekFile = None) -> None:
    """Show what there is: id, principal, account, when it was made; never a key."""
    raise typer.Exit(_desk(kek_file).show())


@app.command()
def revoke(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="The id that 'vkeys list' shows, or the digest, or at least 8 characters that it "
            "begins with.",
            show_default=False,
        ),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(metavar="PRINCIPAL", help="All keys of this principal, in place of an ID."),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="Of a principal's keys those for this account alone."),
    ] = None,
) -> None:
    """Take keys back, at once on every gateway. It needs no key-encryption key."""
    if name is not None and principal is None and account is None:
        raise typer.Exit(_desk(None).revoke(name))
    if name is None and principal is not None:
        raise typer.Exit(_desk(None).revoke_all(principal, account))
    problem = "name one ID, or --principal, to which --account may be added"
    raise typer.BadParameter(problem)


@app.command()
def reseal(kek_file: KekFile = None) -> None:
    """Wrap every entry anew, with the first of the key-encryption keys."""
    raise typer.Exit(_desk(kek_file).reseal())


def _desk(kek_file: Path | None) -> "VirtualKeyDesk":
    from gateway.cli.vkeys.desk import VirtualKeyDesk
    from gateway.custody.process_memory import keep_memory_private
    from gateway.observability import Redactor, configure_logging

    keep_memory_private()
    # What a command has to say it says itself; its parts speak up for what went wrong alone.
    configure_logging("ERROR", "console", Redactor(), sys.stderr)
    return VirtualKeyDesk(os.environ, kek_file)
