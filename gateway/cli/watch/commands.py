"""The commands of `watch`: what each takes, and what it says about itself."""

# ruff: noqa: PLC0415 - a command imports what it runs, so that --help is there at once

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from gateway.domain.market import CandleInterval

app = typer.Typer(
    help="Follow market data, orders or balances of a running gateway, a line an event. The "
    "gateway is $GATEWAY_URL, the token $GATEWAY_TOKEN; both are taken from .dev/env where 'dev' "
    "runs.",
    no_args_is_help=True,
)

Symbol = Annotated[str, typer.Argument(help="A market, such as BTCUSDT.")]
Account = Annotated[str, typer.Argument(help="An account of the gateway, such as demo.")]
Json = Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")]
Count = Annotated[
    int | None, typer.Option("--count", min=1, metavar="N", help="End after N events.")
]


@app.command()
def tickers(
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="SYMBOL...", help="Markets; all if none is named.")
    ] = None,
    *,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """Last price, best bid and ask, and the day's change."""
    _show("tickers", {"symbols": symbols or None}, count, as_json)


@app.command()
def top(symbol: Symbol, *, count: Count = None, as_json: Json = False) -> None:
    """The best bid and the best ask."""
    _show("topOfBook", {"symbol": symbol}, count, as_json)


@app.command()
def book(symbol: Symbol, *, count: Count = None, as_json: Json = False) -> None:
    """The order book: 20 prices of each side."""
    _show("orderBook", {"symbol": symbol}, count, as_json)


@app.command()
def candles(
    symbol: Symbol,
    interval: Annotated[
        CandleInterval, typer.Argument(case_sensitive=False, help="The length of a candle.")
    ],
    *,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """The candle that is now open, each time it changes."""
    _show("candles", {"symbol": symbol, "interval": interval}, count, as_json)


@app.command()
def trades(symbol: Symbol, *, count: Count = None, as_json: Json = False) -> None:
    """Every public trade; a gap says that some may be missing."""
    _show("trades", {"symbol": symbol}, count, as_json)


@app.command()
def orders(
    account: Account,
    *,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """What becomes of an account's orders: placed, filled, cancelled."""
    _show("orders", {"account": account}, count, as_json)


@app.command()
def balances(
    account: Account,
    *,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """What an account holds, then each change of it."""
    _show("balances", {"account": account}, count, as_json)


@app.command("account-events")
def account_events(
    account: Account,
    *,
    after: Annotated[
        str | None, typer.Option(help="Begin behind the event of this sequence.", metavar="N")
    ] = None,
    count: Count = None,
    as_json: Json = False,
) -> None:
    """Everything that happens on an account, numbered: the drop copy."""
    _show("accountEvents", {"account": account, "after": after}, count, as_json)


def _show(field: str, variables: Mapping[str, object], count: int | None, as_json: bool) -> None:
    from gateway.cli.watch.show import show

    raise typer.Exit(show(field, variables, os.environ, count=count, as_json=as_json))
