"""The commands of `trading`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from gateway.domain.account import TradingState

app = typer.Typer(
    help="Stop trade at a running gateway, or let it go on; suspend a principal; end a quarantine. "
    "The gateway is $GATEWAY_URL, the token $OPERATOR_TOKEN, else $GATEWAY_TOKEN; they are taken "
    "from .dev/env where 'dev' runs. Exit status 0 when it is done, 1 when it was refused or "
    "failed, 2 when it is not known which gateway to ask.",
    no_args_is_help=True,
)

Principal = Annotated[str, typer.Argument(help="A principal of the policy.")]
Reason = Annotated[
    str, typer.Option("--reason", help="Why; whoever is stopped reads it. On one line.")
]


@app.command()
def show() -> None:
    """What is switched off, who is suspended, and which accounts are in quarantine."""
    _run("trading-switches", {})


@app.command("set")
def set_state(
    state: Annotated[
        TradingState,
        typer.Argument(
            case_sensitive=False,
            help="CANCEL_ONLY: no new orders. HALTED: no cancels either. ACTIVE: go on.",
        ),
    ],
    *,
    reason: Reason,
    account: Annotated[str | None, typer.Option(help="For this account only.")] = None,
    principal: Annotated[str | None, typer.Option(help="For this principal only.")] = None,
) -> None:
    """Stop trade, or let it go on: of an account, a principal, or, with neither, of everybody."""
    scope = {"account": account, "principal": principal}
    _run("set-trading-state", {**scope, "state": state.value, "reason": reason})


@app.command()
def suspend(principal: Principal, *, reason: Reason) -> None:
    """Refuse every token of a principal, and close its WebSockets, until it is restored."""
    _run("suspend-principal", {"principal": principal, "reason": reason})


@app.command()
def restore(principal: Principal, *, reason: Reason) -> None:
    """Take the tokens of a suspended principal again."""
    _run("restore-principal", {"principal": principal, "reason": reason})


@app.command()
def reopen(
    *,
    account: Annotated[str, typer.Option("--account", help="The account in quarantine.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is put on record.")],
) -> None:
    """Let orders of an account out again, once it was compared with the exchange."""
    _run("reopen-account", {"account": account, "reason": reason})


def _run(document: str, variables: Mapping[str, object]) -> None:
    from gateway.cli.trading.operating import operate

    raise typer.Exit(operate(document, variables, os.environ))
