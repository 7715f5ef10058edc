"""`narkasa-gateway audit tail` and `export`: the entries in Redis, as they are there."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import typer

from gateway.cli.audit.reading import ADDRESS, entry_of, open_stream, with_redis
from gateway.domain.audit import AuditEntry
from gateway.domain.audit_chain import to_text

_POLL_S = 0.5
_NOTHING = f"no entry is there: does {ADDRESS} name the gateway's Redis, and its database?"


def tail(environ: Mapping[str, str], *, count: int, follow: bool, as_json: bool) -> int:
    """Print the `count` newest entries, and with `follow` each new one: 0, or 2 without Redis."""
    show = to_text if as_json else _sentence

    async def run() -> None:
        async with open_stream(environ) as stream:
            last = "0-0"
            newest = await stream.newest(count)
            if not newest:
                typer.echo(_NOTHING, err=True)
            for place, text in newest:
                typer.echo(_shown(place, text, show))
                last = place
            while follow:
                async for place, text in stream.follow(last):
                    typer.echo(_shown(place, text, show))
                    last = place
                await asyncio.sleep(_POLL_S)

    return with_redis(run())


def export(environ: Mapping[str, str], *, since: datetime | None, until: datetime | None) -> int:
    """Print the entries of a span of time as lines of JSON, oldest first: 0, or 2 without Redis.

    What stands in the stream and is no entry is told on standard error.
    """
    first = 0 if since is None else _ms(since)
    last = None if until is None else _ms(until)

    async def run() -> None:
        async with open_stream(environ) as stream:
            async for place, text in stream.follow():
                entry = entry_of(text)
                if entry is None:
                    typer.echo(f"{place} is no entry", err=True)
                elif first <= entry.time and (last is None or entry.time < last):
                    typer.echo(f'{{"audit":{text}}}')

    return with_redis(run())


def _shown(place: str, text: str, show: Callable[[AuditEntry], str]) -> str:
    entry = entry_of(text)
    return f"{place} is no entry" if entry is None else show(entry)


def _sentence(entry: AuditEntry) -> str:
    event = entry.event
    moment = _written(entry.time)
    detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
    account, rule = event.account or "-", event.rule or "-"
    words = (moment, event.kind, event.principal, account, event.action, event.outcome, rule)
    return " ".join((*words, event.trace_id or "-", detail)).rstrip()


def _written(ms: int) -> str:
    """As GraphQL writes it, and `--since` takes it."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
