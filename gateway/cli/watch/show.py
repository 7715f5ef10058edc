"""Prints the events of a subscription until there are enough of them, or no more."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import typer

from gateway.cli.operations import operation
from gateway.cli.watch import lines
from gateway.cli.watch.client import StreamEnded, follow
from gateway.cli.watch.target import NoTarget, find_target

_ENV_FILE = Path(".dev", "env")


@dataclass(frozen=True, slots=True)
class Topic:
    """A subscription's document in `graphql/operations`, and its line for people."""

    document: str
    line: Callable[[lines.Event], str]


TOPICS = {
    "tickers": Topic("watch-tickers", lines.ticker),
    "topOfBook": Topic("watch-top-of-book", lines.top_of_book),
    "orderBook": Topic("watch-order-book", lines.order_book),
    "candles": Topic("watch-candles", lines.candle),
    "trades": Topic("watch-trades", lines.trade),
    "orders": Topic("watch-orders", lines.order),
    "balances": Topic("watch-balances", lines.balance),
    "accountEvents": Topic("watch-account-events", lines.account_event),
}
"""By the field of the subscription."""


def show(
    field: str,
    variables: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    count: int | None,
    as_json: bool,
) -> int:
    """Print each event of the subscription `field` on a line, and give the exit status.

    0 after `count` events, 1 when the stream ends before, 2 when it is not known which gateway to
    ask; why goes to standard error, and how to go on behind the last event where that can be done.
    """
    topic, after = TOPICS[field], variables.get("after")
    try:
        target = find_target(environ, _ENV_FILE)
        typer.echo(f"following {field} at {target.address}; Ctrl-C ends it", err=True)
        with closing(follow(target, operation(topic.document), variables)) as events:
            for event in islice(events, count):
                told = event[field]
                typer.echo(json.dumps(told) if as_json else lines.printable(topic.line(told)))
                after = told.get("sequence") or after
    except NoTarget as problem:
        typer.echo(str(problem), err=True)
        return 2
    except StreamEnded as end:
        typer.echo(str(end), err=True)
        if after is not None:
            typer.echo(f"to go on where this ended, and miss nothing: --after {after}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
