"""Sends one operation to a running gateway, and says what came of it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from gateway.cli.operations import operation
from gateway.cli.watch.client import StreamEnded, follow
from gateway.cli.watch.lines import printable
from gateway.cli.watch.target import NoTarget, find_target

_ENV_FILE = Path(".dev", "env")
OPERATORS_FIRST = ("OPERATOR_TOKEN", "GATEWAY_TOKEN")
APPS_FIRST = ("GATEWAY_TOKEN", "OPERATOR_TOKEN")


def ask(
    document: str,
    variables: Mapping[str, object],
    environ: Mapping[str, str],
    tell: Callable[[Mapping[str, Any]], int],
    *,
    tokens: tuple[str, ...] = OPERATORS_FIRST,
    hint: str = "",
) -> int:
    """Run the operation `document` once, `tell` of its data, and give the exit status.

    0 when it is done, 1 when it was refused or no answer came (`hint` says where to look then), 2
    when it is not known which gateway to ask; why goes to standard error.
    """
    try:
        target = find_target(environ, _ENV_FILE, tokens)
        with closing(follow(target, operation(document), variables)) as answers:
            answer = next(answers)
    except NoTarget as problem:
        typer.echo(str(problem), err=True)
        return 2
    except StreamEnded as end:
        typer.echo(str(end), err=True)
        if hint:
            typer.echo(hint, err=True)
        return 1
    return tell(answer)


def refused(outcome: Mapping[str, Any]) -> int:
    """Say why a mutation did nothing, and give the exit status."""
    rule = f" (rule {outcome['rule']})" if outcome["rule"] else ""
    typer.echo(printable(f"{outcome['code']}: {outcome['message']}{rule}"), err=True)
    return 1


def say(lines: Iterable[str]) -> int:
    """Print lines in which names stand as others wrote them, and give the exit status."""
    for line in lines:
        typer.echo(printable(line))
    return 0
