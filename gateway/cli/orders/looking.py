"""`orders unresolved` and `orders show`: placements, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from gateway.cli.asking import ask, say

_IN_DOUBT = "IN_DOUBT"
_TERMS = (("at", "price"), ("stop", "stopPrice"), ("for", "quoteTotal"))
_DETAILS = (
    ("account", "account"),
    ("principal", "principal"),
    ("clientOrderId", "clientOrderId"),
    ("recorded", "createdAt"),
    ("signed", "signedAt"),
    ("changed", "updatedAt"),
    ("evidence", "evidence"),
    ("judged by", "resolvedBy"),
)
_JUDGE = (
    "what is IN_DOUBT is a person's to judge: 'narkasa-gateway orders show ID' tells the evidence, "
    "'orders resolve ID' settles it once you have looked at the exchange"
)
_WAIT = "what is SENDING or UNKNOWN is being found out: look again when it is due"


def show_unresolved(account: str, environ: Mapping[str, str]) -> int:
    """Print a line for each placement of the account that has no outcome (`ask`).

    What to do about them goes to standard error.
    """

    def tell(answer: Mapping[str, Any]) -> int:
        found = answer["unresolvedPlacements"]
        say(
            map(line, found) if found else [f"every placement of account {account} has its outcome"]
        )
        for each in _next({placement["state"] for placement in found}):
            typer.echo(each, err=True)
        return 0

    return ask("unresolved-placements", {"account": account}, environ, tell)


def show_placement(placement_id: str, environ: Mapping[str, str]) -> int:
    """Print what is known of a placement; 1 if there is none to be seen."""

    def tell(answer: Mapping[str, Any]) -> int:
        if answer["placement"] is None:
            typer.echo("no placement that this token may see has this id", err=True)
            return 1
        return say(details(answer["placement"]))

    return ask("placement", {"id": placement_id}, environ, tell)


def line(placement: Mapping[str, Any]) -> str:
    """A placement on one line: its state and terms, whose it is, and its id, to be pasted."""
    words = [
        placement["state"],
        terms(placement),
        f"of {placement['principal']}",
        f"client {placement['clientOrderId']}",
        f"signed {placement['signedAt']}",
        *map(" ".join, _due(placement)),
        placement["id"],
    ]
    return "  ".join(words)


def details(placement: Mapping[str, Any]) -> Iterator[str]:
    """All that is known of a placement, a line for each thing."""
    yield f"{placement['state']}  {terms(placement)}"
    for name, member in _DETAILS:
        if placement[member] is not None:
            yield f"  {name:<14} {placement[member]}"
    for word, due in _due(placement):
        yield f"  {word:<14} {due}"
    if placement["order"] is not None:
        yield f"  {'order':<14} {placement['order']['orderId']} {placement['order']['status']}"
    if placement["problem"] is not None:
        problem = placement["problem"]
        yield f"  {'problem':<14} {problem['code']}: {problem['message']}"
    again = "cannot" if placement["newIdSafe"] else "could"
    yield f"  the same under a new clientOrderId {again} double the order"


def _due(placement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """By when the outcome is found, or was to be found."""
    if placement["resolveBy"] is not None:
        word = "was due by" if placement["state"] == _IN_DOUBT else "due by"
        yield word, placement["resolveBy"]


def _next(states: set[str]) -> Iterator[str]:
    """What to do about placements in these states."""
    if states - {_IN_DOUBT}:
        yield _WAIT
    if _IN_DOUBT in states:
        yield _JUDGE


def terms(placement: Mapping[str, Any]) -> str:
    """What was asked for."""
    words = [placement["side"], placement["type"], placement["symbol"]]
    words += [placement["quantity"]] if placement["quantity"] is not None else []
    for word, member in _TERMS:
        if placement[member] is not None:
            words += [word, placement[member]]
    return " ".join(words)
