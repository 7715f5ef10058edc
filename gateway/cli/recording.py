"""What commands change, on record in the audit log."""

import asyncio
import os
import pwd
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import typer

from gateway.domain.audit import SHELL, AuditEvent, AuditKind
from gateway.services.audit import AuditTrail, new_writer
from gateway.store.audit_stream import AuditStream

_BEGUN, _DONE, _FAILED = "BEGUN", "OK", "FAILED"
LONGEST_KEPT_MS = 3650 * 86_400_000
"""How long the log goes back is for the gateways to decide: a command takes off only what none of
them may keep."""

_CATCH_UP_S = 5.0


class Record:
    """Puts each change on record before it is made, and then what became of it.

    Without a `trail` nothing is on record. The principal is `shell:` and the name of the user whom
    the operating system knows: a name as good as the machine that it comes from.
    """

    def __init__(self, trail: AuditTrail | None) -> None:
        self._trail = trail

    @asynccontextmanager
    async def change(
        self, action: str, account: str | None = None, **detail: str
    ) -> AsyncIterator[dict[str, str]]:
        """Let a change be made inside; what is put into the mapping given goes on record too.

        Raises `AuditUnavailable`, and then nothing has been done.
        """
        event = AuditEvent(
            kind=AuditKind.KEYS,
            principal=f"{SHELL}{_user()}",
            action=action,
            account=account,
            outcome=_BEGUN,
            detail={**detail, "host": socket.gethostname()},
        )
        if self._trail is not None:
            await self._trail.require(event)
        learnt: dict[str, str] = {}
        outcome = _FAILED
        try:
            yield learnt
            outcome = _DONE
        finally:
            if self._trail is not None:
                whole = {**event.detail, **learnt}
                self._trail.note(replace(event, outcome=outcome, detail=whole))


@asynccontextmanager
async def record_in(stream: AuditStream) -> AsyncIterator[Record]:
    """Give the record in an audit log; what is noted is written at the end."""
    trail = AuditTrail(
        stream=stream,
        file=None,
        writer=new_writer(f"{SHELL}{socket.gethostname()}", _wall_ms(), secrets.token_bytes),
        wall_ms=_wall_ms,
    )
    writing = asyncio.create_task(trail.run())
    try:
        yield Record(trail)
    finally:
        try:
            await asyncio.wait_for(trail.finish(), _CATCH_UP_S)
        except TimeoutError:
            typer.echo("what became of it is not on record: the audit log is away", err=True)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


def _user() -> str:
    # Not getpass.getuser: it believes $LOGNAME, which whoever types the command may set.
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
