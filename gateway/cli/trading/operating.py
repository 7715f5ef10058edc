"""Sends one operation to the gateway, and says what came of it."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from gateway.cli.operations import operation
from gateway.cli.watch.client import StreamEnded, follow
from gateway.cli.watch.lines import printable
from gateway.cli.watch.target import NoTarget, find_target

_ENV_FILE = Path(".dev", "env")
_TOKENS = ("OPERATOR_TOKEN", "GATEWAY_TOKEN")
_REJECTED = "OperatorRejected"


def operate(document: str, variables: Mapping[str, object], environ: Mapping[str, str]) -> int:
    """Run the operation `document` once, print its outcome, and give the exit status.

    0 when it is done, 1 when it was refused or no answer came, 2 when it is not known which gateway
    to ask; why goes to standard error.
    """
    try:
        target = find_target(environ, _ENV_FILE, _TOKENS)
        with closing(follow(target, operation(document), variables)) as answers:
            answer = next(answers)
    except NoTarget as problem:
        typer.echo(str(problem), err=True)
        return 2
    except StreamEnded as end:
        typer.echo(str(end), err=True)
        if variables:  # else it was that command
            typer.echo("'narkasa-gateway trading show' tells what stands", err=True)
        return 1
    return _tell(answer)


def _tell(answer: Mapping[str, Any]) -> int:
    match answer:
        case {"tradingSwitches": switches, "suspensions": suspensions}:
            lines = [*map(_switch, switches), *map(_suspension, suspensions)]
            _print(lines or ["trading is ACTIVE for everybody; nobody is suspended"])
            return 0
        case _:
            (outcome,) = answer.values()
            return _outcome(outcome)


def _outcome(outcome: Mapping[str, Any]) -> int:
    if outcome["__typename"] == _REJECTED:
        rule = f" (rule {outcome['rule']})" if outcome["rule"] else ""
        typer.echo(printable(f"{outcome['code']}: {outcome['message']}{rule}"), err=True)
        return 1
    _print(_done(outcome))
    return 0


def _done(outcome: Mapping[str, Any]) -> Iterator[str]:
    match outcome:
        case {"switch": switch}:
            yield _switch(switch)
        case {"suspension": suspension}:
            yield _suspension(suspension)
        case {"principal": principal}:
            yield f"restored  principal {principal}"


def _switch(switch: Mapping[str, Any]) -> str:
    scope = "everything"
    if switch["account"] is not None:
        scope = f"account {switch['account']}"
    elif switch["principal"] is not None:
        scope = f"principal {switch['principal']}"
    return f"{switch['state']}  {scope}  {_why(switch)}"


def _suspension(suspension: Mapping[str, Any]) -> str:
    return f"suspended  principal {suspension['principal']}  {_why(suspension)}"


def _why(change: Mapping[str, Any]) -> str:
    return f"by {change['setBy']} at {change['setAt']}: {change['reason']}"


def _print(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        typer.echo(printable(line))
