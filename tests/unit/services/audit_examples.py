"""Audit logs to write to: of a real Valkey and a real file, and what ends up in them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.domain.audit import AuditEntry, AuditEvent, AuditKind
from gateway.domain.audit_chain import from_members, from_text
from gateway.services.audit import AuditTrail
from gateway.services.loops import kept_up
from gateway.store.audit_file import AuditFile
from gateway.store.audit_stream import AuditStream
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

DAY_MS = 86_400_000


def event(action: str = "order/limit", **changes: object) -> AuditEvent:
    fields = {
        "kind": AuditKind.ORDER,
        "principal": "desk",
        "account": "demo",
        "outcome": "SENDING",
        "rule": "desk-trade",
        "trace_id": "ab" * 16,
        "detail": {"placement": "demo.1"},
        **changes,
    }
    return AuditEvent(action=action, **fields)  # type: ignore[arg-type]


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def trail_of(
    server: ValkeyServer,
    path: Path | None,
    *,
    writer: str = "w-1",
    clock: Callable[[], int] | None = None,
    spool_limit: int = 1_000,
    anchor_s: float = 60,
    retention_ms: int = DAY_MS * 365,
    on_lost: Callable[[], None] = lambda: None,
) -> AsyncIterator[AuditTrail]:
    """An audit trail that is not written yet: see `writing`."""
    async with open_quick(server.url) as redis:
        yield AuditTrail(
            stream=AuditStream(redis, retention_ms=retention_ms),
            file=None if path is None else AuditFile(path),
            writer=writer,
            wall_ms=clock or Clock(),
            spool_limit=spool_limit,
            anchor_s=anchor_s,
            retry_s=0.02,
            patience_s=60,
            on_lost=on_lost,
        )


@asynccontextmanager
async def writing(trail: AuditTrail) -> AsyncIterator[None]:
    """Write what is noted for the length of the context."""
    async with kept_up({"audit": trail.run}):
        yield


def in_file(path: Path) -> list[AuditEntry]:
    """What a file holds."""
    return [from_members(json.loads(line)["audit"]) for line in path.read_text().splitlines()]


async def in_redis(server: ValkeyServer) -> list[AuditEntry]:
    """What the stream holds."""
    async with open_patient(server.url) as redis:
        stream = AuditStream(redis, retention_ms=DAY_MS)
        return [from_text(text) async for _, text in stream.follow()]


def actions(entries: list[AuditEntry]) -> list[str]:
    """What was done, without what the log says of itself."""
    own = (AuditKind.STARTED, AuditKind.ANCHOR)
    return [entry.event.action for entry in entries if entry.event.kind not in own]
