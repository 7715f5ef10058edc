"""`orders resolve` and `orders cancel-all`: what came of them, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from gateway.cli.asking import APPS_FIRST, ask, refused, say
from gateway.cli.orders.looking import details
from gateway.cli.watch.lines import printable

_SHOW = "'narkasa-gateway orders show' tells what stands; resolving it again is safe"
_AGAIN = "whatever was cancelled, cancelling again is safe"


def settle(judgement: Mapping[str, object], environ: Mapping[str, str]) -> int:
    """Resolve a placement, and print it as it then is (`ask`)."""

    def tell(answer: Mapping[str, Any]) -> int:
        outcome = answer["resolvePlacement"]
        if outcome["__typename"] == "OperatorRejected":
            return refused(outcome)
        placement = outcome["placement"]
        if judgement["reason"] not in (placement["evidence"] or ""):
            who = placement["resolvedBy"] or "the gateway itself"
            already = f"{who} settled it so before: your reason is not on record"
            typer.echo(printable(already), err=True)
        return say(details(placement))

    return ask("resolve-placement", judgement, environ, tell, hint=_SHOW)


def cancel(whose: Mapping[str, object], environ: Mapping[str, str]) -> int:
    """Cancel orders, and print what became of each; 1 while something may be left (`ask`)."""
    nothing = "nothing was open" if whose["everybody"] else f"nothing of {_owner(whose)} was open"

    def tell(answer: Mapping[str, Any]) -> int:
        outcome = answer["cancelAllOrders"]
        if outcome["__typename"] == "CancelRejected":
            return refused(outcome)
        say(list(_each(outcome)) or [nothing])
        left = ("failed", "pending", "unresolved", "unseen")
        return 1 if any(outcome[each] for each in left) else 0

    return ask("cancel-all-orders", whose, environ, tell, tokens=APPS_FIRST, hint=_AGAIN)


def _each(outcome: Mapping[str, Any]) -> Iterator[str]:
    for order_id in outcome["cancelled"]:
        yield f"cancelled  {order_id}"
    for failure in outcome["failed"]:
        problem = failure["problem"]
        yield f"failed  {failure['orderId']}  {problem['code']}: {problem['message']}"
    for order_id in outcome["pending"]:
        yield f"pending  {order_id}  cancel again"
    for order_id in outcome["ended"]:
        yield f"ended  {order_id}  before it was cancelled: look at the fills"
    for placement_id in outcome["unresolved"]:
        yield f"unresolved  {placement_id}  its order may still show up: cancel again later"
    if (why := outcome["unseen"]) is not None:
        yield f"unseen  there may be others: cancel again later  {why['code']}: {why['message']}"


def _owner(whose: Mapping[str, object]) -> str:
    return "yours" if whose["principal"] is None else f"{whose['principal']}'s"
