"""The commands of `audit`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The audit log: who did what, and what came of it. It is in the Redis of "
    "$NGW_STATE_REDIS_URL and in the file of $NGW_AUDIT_FILE.",
    no_args_is_help=True,
)

Moment = Annotated[
    datetime | None,
    typer.Option(
        formats=[
            "%Y-%m-%d",
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%dT%H:%M:%S%z",
            "%Y-%m-%dT%H:%M:%S.%f%z",
        ],
        help="A moment, such as 2026-11-22T14:39:00Z; in UTC if it names no zone.",
        metavar="MOMENT",
    ),
]


@app.command()
def tail(
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, metavar="N")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with each new entry.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines of JSON.")] = False,
) -> None:
    """Print the newest entries in Redis, a line each, the newest last."""
    from gateway.cli.audit.showing import tail as show_tail

    raise typer.Exit(show_tail(os.environ, count=count, follow=follow, as_json=as_json))


@app.command()
def export(*, since: Moment = None, until: Moment = None) -> None:
    """Print the entries in Redis as lines of JSON, the oldest first: what 'verify --file' reads."""
    from gateway.cli.audit.showing import export as export_entries

    raise typer.Exit(export_entries(os.environ, since=since, until=until))


@app.command()
def verify(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="A file with the audit log; may be repeated."),
    ] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option("--log", metavar="FILE", help="A log of the gateway; may be repeated."),
    ] = None,
) -> None:
    """Tell whether the audit log is whole: in Redis if it is named, and in the files given.

    Exit status 1 with a line for each finding, 2 when something cannot be read.
    """
    from gateway.cli.audit.verifying import verify as verify_log

    raise typer.Exit(verify_log(os.environ, files=files or (), logs=logs or ()))
