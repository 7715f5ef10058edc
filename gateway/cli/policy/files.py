"""Reading a policy file from the command line, and making tokens for one."""

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import typer

from gateway.access.faults import BadPolicy
from gateway.access.policy import Policy
from gateway.access.policy_file import PolicyFile
from gateway.access.tokens import hash_token, new_token
from gateway.cli.policy.remarks import remarks

BAD_INPUT = 2


def read(file: Path) -> Policy | None:
    """The policy in `file`; None, with its faults printed, when it is not sound."""
    try:
        return PolicyFile(file, _wall_ms).current
    except BadPolicy as bad:
        typer.echo(f"{file}:\n{bad}", err=True)
        return None


def check(file: Path) -> int:
    """Print the faults of `file`, or that it is sound, with remarks; the exit status is 2 or 0."""
    policy = read(file)
    if policy is None:
        return BAD_INPUT
    typer.echo(f"{file} is sound (accounts: {', '.join(policy.accounts) or 'none'})")
    for remark in remarks(policy, _wall_ms()):
        typer.echo(remark)
    return 0


def print_new_token(expires: datetime | None) -> None:
    """Print a new token, and its hash with when it `expires`; the token is kept nowhere."""
    token = new_token(secrets.token_bytes)
    end = "" if expires is None else f", expires: {expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    typer.echo(f"Token, shown this once:\n\n  {token}\n")
    typer.echo(f"Under 'tokens' in the policy file:\n\n  - {{sha256: {hash_token(token)}{end}}}")
    if expires is None:
        typer.echo("\nIt never expires; --expires gives a token an end.")


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
