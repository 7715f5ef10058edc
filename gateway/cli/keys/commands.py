"""The commands of `keys`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.domain.signing import Purpose

if TYPE_CHECKING:
    from gateway.cli.keys.custodian import Custodian

app = typer.Typer(
    help="The sealed file of the exchange's keys (docs/custody.md). Keys come from a prompt, a "
    "file or standard input, never from arguments. Each change goes on record in the audit log "
    "where NGW_STATE_REDIS_URL is set. Exit status: 0 done, 1 refused by the exchange or not "
    "known to be accepted, 2 something to set right.",
    no_args_is_help=True,
)

File = Annotated[
    Path, typer.Option("--file", envvar="NGW_KEYS_FILE", metavar="FILE", help="The sealed file.")
]
KekFile = Annotated[
    Path | None,
    typer.Option(
        "--kek-file",
        envvar="NGW_KEY_ENCRYPTION_KEY_FILE",
        metavar="FILE",
        help="The key-encryption keys that open it; without, NGW_KEY_ENCRYPTION_KEY.",
    ),
]
SecretFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Two lines: the API key, and its secret. - is standard input. Without, it is asked.",
    ),
]
Account = Annotated[str, typer.Argument(help="An account of the gateway, such as treasury.")]
PurposeOf = Annotated[Purpose, typer.Argument(help="What the key is for.")]
Version = Annotated[int, typer.Argument(min=1, help="The version, as 'keys list' shows it.")]


@app.command()
def init(file: File, kek_file: KekFile = None) -> None:
    """Make an empty sealed file, and a key-encryption key if that file is not there yet.

    What is there is never overwritten.
    """
    raise typer.Exit(_custodian(file, kek_file).init())


@app.command()
def add(
    account: Account,
    purpose: PurposeOf,
    file: File,
    kek_file: KekFile = None,
    secret_file: SecretFile = None,
) -> None:
    """Seal a key: the first of an account and purpose is active at once, a later one pending."""
    raise typer.Exit(_custodian(file, kek_file).add(account, purpose, secret_file))


@app.command("list")
def list_keys(file: File, kek_file: KekFile = None) -> None:
    """Show what is there: account, purpose, version, state, age; never a key."""
    raise typer.Exit(_custodian(file, kek_file).show())


@app.command()
def rotate(
    account: Account,
    purpose: PurposeOf,
    file: File,
    kek_file: KekFile = None,
    secret_file: SecretFile = None,
    version: Annotated[
        int | None,
        typer.Option(min=1, help="Take this version, which is there, in place of a new key."),
    ] = None,
) -> None:
    """Add a key, see that the exchange accepts it, and make it the active one.

    The version before stays in the file until it is retired. A key that the exchange refuses is
    not made active.
    """
    raise typer.Exit(_custodian(file, kek_file).rotate(account, purpose, secret_file, version))


@app.command()
def retire(
    account: Account,
    purpose: PurposeOf,
    version: Version,
    file: File,
    kek_file: KekFile = None,
    *,
    active: Annotated[
        bool,
        typer.Option("--active", help="Also the active one: the account is then without."),
    ] = False,
) -> None:
    """Take a version out of use; 'keys rotate --version' would take it back."""
    raise typer.Exit(_custodian(file, kek_file).retire(account, purpose, version, active=active))


@app.command()
def reseal(
    file: File,
    kek_file: KekFile = None,
    *,
    new_kek: Annotated[
        bool,
        typer.Option("--new-kek", help="First put a new key-encryption key into its file."),
    ] = False,
) -> None:
    """Wrap every entry anew, with the first of the key-encryption keys."""
    raise typer.Exit(_custodian(file, kek_file).reseal(new_kek=new_kek))


@app.command()
def probe(
    account: Account,
    purpose: PurposeOf,
    file: File,
    kek_file: KekFile = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="This version; without, the active one.")
    ] = None,
) -> None:
    """Find out from the exchange (NGW_EXCHANGE_REST_URL) what a key may do, changing nothing.

    The authentication test, a reading of the wallet, and a cancel of an order that cannot exist.
    A withdrawal is never tried.
    """
    raise typer.Exit(_custodian(file, kek_file).probe(account, purpose, version))


def _custodian(file: Path, kek_file: Path | None) -> "Custodian":
    from stamina.instrumentation import set_on_retry_hooks

    from gateway.cli.keys.custodian import Custodian
    from gateway.custody.process_memory import keep_memory_private
    from gateway.observability import Redactor, configure_logging

    keep_memory_private()
    # What a command has to say it says itself; its parts speak up for what went wrong alone.
    configure_logging("ERROR", "console", Redactor(), sys.stderr)
    set_on_retry_hooks([])
    return Custodian(os.environ, file, kek_file)
