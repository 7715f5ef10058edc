"""The commands of `policy`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from gateway.access.policy import Action, OrderTerms
from gateway.domain.market import OrderSide
from gateway.domain.money import parse_plain
from gateway.domain.orders import OrderType

app = typer.Typer(help="The policy file: who may do what.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The policy file.")]


def _positive(text: str) -> Decimal:
    try:
        value = parse_plain(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if value <= 0:
        raise typer.BadParameter("expected a decimal above 0")
    return value


@app.command()
def check(file: File) -> None:
    """Tell every fault of a policy file, each with its line; exit status 2 if there is one."""
    from gateway.cli.policy.files import check as check_file

    raise typer.Exit(check_file(file))


@app.command()
def new_token(
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            metavar="TIME",
            help="When it ends, such as 2027-01-31T00:00:00Z; without it, never.",
        ),
    ] = None,
) -> None:
    """Make a token and print it, once, with the line that goes into the policy file."""
    from gateway.cli.policy.files import print_new_token

    if expires is not None and expires <= datetime.now(UTC):
        message = "it would have expired already"
        raise typer.BadParameter(message, param_hint="--expires")
    print_new_token(expires)


@app.command()
def explain(  # noqa: PLR0913 - a parameter for each option of the command
    file: File,
    *,
    principal: Annotated[str, typer.Option("--as", help="Who asks: a principal's id.")],
    action: Annotated[Action, typer.Option("--do", help="What for.")],
    account: Annotated[str | None, typer.Option(help="On which account.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of an order: its market.")] = None,
    side: Annotated[OrderSide | None, typer.Option(help="Of an order: its side.")] = None,
    order_type: Annotated[
        OrderType | None, typer.Option("--type", help="Of an order: its type.")
    ] = None,
    price: Annotated[
        Decimal | None,
        typer.Option(parser=_positive, help="Of an order: its price, or the market's."),
    ] = None,
    quantity: Annotated[
        Decimal | None, typer.Option(parser=_positive, help="Of an order: its quantity.")
    ] = None,
) -> None:
    """Say whether a policy allows something, by which rule on which line, and under which limits.

    Exit status 0: allowed; 1: denied; 2: the question or the file is not sound, or the file knows
    no such principal or account. What depends on the day or the market (what is left of
    day_notional, open_orders, rate, the collar) is told, not judged.
    """
    from gateway.cli.policy.explaining import Question
    from gateway.cli.policy.explaining import explain as explain_decision

    try:
        question = Question(
            principal=principal,
            action=action,
            account=account,
            terms=_terms(symbol, side, order_type),
            price=price,
            quantity=quantity,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(explain_decision(file, question))


def _terms(
    symbol: str | None, side: OrderSide | None, order_type: OrderType | None
) -> OrderTerms | None:
    if symbol is not None and side is not None and order_type is not None:
        return OrderTerms(symbol, side, order_type)
    if (symbol, side, order_type) == (None, None, None):
        return None
    message = "--symbol, --side and --type go together"
    raise ValueError(message)
