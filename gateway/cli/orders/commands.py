"""The commands of `orders`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(
    help="Look after orders at a running gateway: those whose outcome nobody knows, and those that "
    "are open. The gateway is $GATEWAY_URL, the token $OPERATOR_TOKEN, else $GATEWAY_TOKEN, for "
    "cancel-all the other way round; they are taken from .dev/env where 'dev' runs. Exit status "
    "0 when it is done, 1 when it was refused or failed, or something is left, 2 when it is "
    "not known which gateway to ask.",
    no_args_is_help=True,
)

Account = Annotated[str, typer.Option("--account", help="An account of the gateway.")]
PlacementId = Annotated[str, typer.Argument(metavar="ID", help="A placement's id.")]


class Outcome(StrEnum):
    """What a person may find of an order."""

    PLACED = "PLACED"
    NOT_PLACED = "NOT_PLACED"


@app.command()
def unresolved(*, account: Account) -> None:
    """The placements of an account whose outcome is not known, a line each."""
    from gateway.cli.orders.looking import show_unresolved

    raise typer.Exit(show_unresolved(account, os.environ))


@app.command()
def show(placement: PlacementId) -> None:
    """All that is known of a placement: one's own, or of an account that one may operate."""
    from gateway.cli.orders.looking import show_placement

    raise typer.Exit(show_placement(placement, os.environ))


@app.command()
def resolve(
    placement: PlacementId,
    outcome: Annotated[
        Outcome,
        typer.Argument(
            case_sensitive=False,
            help="PLACED: the exchange had the order. NOT_PLACED: it never had it.",
        ),
    ],
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it stays with the record. On one line.")
    ],
    order_id: Annotated[
        str | None,
        typer.Option(
            "--order-id", help="The exchange's id of a limit or stop-limit order that was PLACED."
        ),
    ] = None,
) -> None:
    """Settle a placement that the gateway could not. Look at the exchange first: it is for good."""
    from gateway.cli.orders.settling import settle

    judgement = {"id": placement, "outcome": outcome.value, "orderId": order_id, "reason": reason}
    raise typer.Exit(settle(judgement, os.environ))


@app.command("cancel-all")
def cancel_all(
    *,
    account: Account,
    principal: Annotated[
        str | None, typer.Option(help="Of this principal, instead of the token's own.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Everybody's, placed elsewhere too.")
    ] = False,
) -> None:
    """Cancel open orders of an account, and tell what is left: exit status 0 if nothing is."""
    from gateway.cli.orders.settling import cancel

    whose = {"account": account, "principal": principal, "everybody": everybody}
    raise typer.Exit(cancel(whose, os.environ))
