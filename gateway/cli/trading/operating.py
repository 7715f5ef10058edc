"""What came of a command of `trading`, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.cli.asking import ask, refused, say

_LOOK = "'narkasa-gateway trading show' tells what stands"


def operate(document: str, variables: Mapping[str, object], environ: Mapping[str, str]) -> int:
    """Run the operation `document` once, print its outcome, and give the exit status (`ask`)."""
    # Without variables it was that command.
    return ask(document, variables, environ, _tell, hint=_LOOK if variables else "")


def _tell(answer: Mapping[str, Any]) -> int:
    match answer:
        case {"tradingSwitches": switches, "suspensions": suspensions, "quarantines": shut}:
            lines = [*map(_switch, switches), *map(_suspension, suspensions)]
            lines = lines or ["trading is ACTIVE for everybody; nobody is suspended"]
            return say([*lines, *map(_quarantine, shut)])
        case _:
            (outcome,) = answer.values()
            rejected = outcome["__typename"] == "OperatorRejected"
            return refused(outcome) if rejected else say(_done(outcome))


def _done(outcome: Mapping[str, Any]) -> Iterator[str]:
    match outcome:
        case {"switch": switch}:
            yield _switch(switch)
        case {"suspension": suspension}:
            yield _suspension(suspension)
        case {"principal": principal}:
            yield f"restored  principal {principal}"
        case {"account": account, "quarantine": None}:
            yield f"open  account {account}  it was not in quarantine"
        case {"account": account, "quarantine": why}:
            yield f"reopened  account {account}  it was in quarantine: {why}"


def _switch(switch: Mapping[str, Any]) -> str:
    scope = "everything"
    if switch["account"] is not None:
        scope = f"account {switch['account']}"
    elif switch["principal"] is not None:
        scope = f"principal {switch['principal']}"
    return f"{switch['state']}  {scope}  {_why(switch)}"


def _suspension(suspension: Mapping[str, Any]) -> str:
    return f"suspended  principal {suspension['principal']}  {_why(suspension)}"


def _quarantine(shut: Mapping[str, Any]) -> str:
    return (
        f"quarantined  account {shut['account']}  no orders until it is reopened: {shut['reason']}"
    )


def _why(change: Mapping[str, Any]) -> str:
    return f"by {change['setBy']} at {change['setAt']}: {change['reason']}"
