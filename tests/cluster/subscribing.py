"""Subscribers who connect again whenever they are sent away.

Over GraphQL by WebSockets and by server-sent events, and in /v3.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from gateway.cli.operations import operation

_AGAIN_S = 0.3


@dataclass
class Subscriber:
    """One subscriber.

    `gaps` are the seconds between the end of a connection and the next event, `silence` the longest
    between two events.
    """

    name: str
    gaps: list[float] = field(default_factory=list)
    events: int = 0
    silence: float = 0.0
    heard_at: float = field(default_factory=time.monotonic)
    away_since: float | None = field(default_factory=time.monotonic)

    @property
    def served(self) -> bool:
        """Whether it has heard something on the connection that it has now."""
        return self.away_since is None

    def heard(self) -> None:
        """Take note of an event; the first on a connection ends a gap."""
        now = time.monotonic()
        if self.events:
            self.silence = max(self.silence, now - self.heard_at)
            if self.away_since is not None:
                self.gaps.append(now - self.away_since)
        self.away_since, self.heard_at = None, now
        self.events += 1

    def lost(self) -> None:
        """Take note of the end of a connection; what fails until the next is part of that."""
        self.away_since = self.away_since or time.monotonic()


@dataclass
class Audience:
    """All subscribers, and how their connections ended."""

    subscribers: list[Subscriber]
    endings: Counter[str] = field(default_factory=Counter)

    def all_served(self) -> bool:
        """Whether everybody hears something."""
        return all(each.served for each in self.subscribers)

    def figures(self) -> str:
        """In one line."""
        gaps = sorted(gap for each in self.subscribers for gap in each.gaps)
        longest, median = (gaps[-1], gaps[len(gaps) // 2]) if gaps else (0.0, 0.0)
        silence = max(each.silence for each in self.subscribers)
        back = sum(each.served for each in self.subscribers)
        return (
            f"subscribers {len(self.subscribers)}, served at the end {back}, "
            f"connected again {len(gaps)} times ({dict(self.endings)}), "
            f"gap median {median:.2f} s, longest {longest:.2f} s; "
            f"longest between two events {silence:.2f} s"
        )

    def longest_gap(self) -> float:
        """In seconds."""
        return max((gap for each in self.subscribers for gap in each.gaps), default=0.0)


@contextmanager
def listening(
    address: str, token: str, graphql: int, facade: int, events: int = 0
) -> Iterator[Audience]:
    """Let so many subscribe in each way, until the block ends."""
    counts = {"graphql": graphql, "v3": facade, "events": events}
    audience = Audience([Subscriber(name) for name, count in counts.items() for _ in range(count)])
    end = Event()
    thread = Thread(target=lambda: asyncio.run(_listen(audience, address, token, end)))
    thread.start()
    try:
        yield audience
    finally:
        end.set()
        thread.join()


async def _listen(audience: Audience, address: str, token: str, end: Event) -> None:
    tasks = [
        asyncio.create_task(_follow(each, audience, address, token))
        for each in audience.subscribers
    ]
    await asyncio.to_thread(end.wait)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup("subscribers", faults)


async def _follow(one: Subscriber, audience: Audience, address: str, token: str) -> None:
    while True:
        try:
            async with _WAYS[one.name](address, token) as connection:
                async for _ in connection:
                    one.heard()
                audience.endings[f"{one.name} {connection.close_code}"] += 1
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else "cut"
            audience.endings[f"{one.name} {code}"] += 1
        except (InvalidHandshake, OSError, TimeoutError, httpx.HTTPError) as error:
            audience.endings[f"{one.name} {type(error).__name__}"] += 1
        one.lost()
        await asyncio.sleep(_AGAIN_S)


@asynccontextmanager
async def _over_graphql(address: str, token: str) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"ws://{address}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        proxy=None,
    ) as connection:
        hello = {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
        await connection.send(json.dumps(hello))
        await connection.recv()
        asked = {"query": operation("watch-tickers")}
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": asked}))
        yield connection


@asynccontextmanager
async def _in_v3(address: str, token: str) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(
        f"ws://{address}/v3", additional_headers=headers, compression=None, proxy=None
    ) as connection:
        asked = {"method": "SUBSCRIBE", "params": [{"type": "allTickers"}]}
        await connection.send(json.dumps(asked))
        await connection.recv()
        yield connection


class EventStream:
    """The results of a subscription over server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.close_code = "broken off"

    async def __aiter__(self) -> AsyncIterator[str]:
        """Each result."""
        async for line in self._response.aiter_lines():
            if line.startswith("data: "):
                yield line
            elif line == "event: complete":
                self.close_code = "complete"


@asynccontextmanager
async def _by_events(address: str, token: str) -> AsyncIterator[EventStream]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    asked = {"query": operation("watch-tickers")}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        client.stream("POST", f"http://{address}/graphql", json=asked, headers=headers) as response,
    ):
        response.raise_for_status()
        yield EventStream(response)


_WAYS: dict[
    str, Callable[[str, str], AbstractAsyncContextManager[ClientConnection | EventStream]]
] = {"graphql": _over_graphql, "v3": _in_v3, "events": _by_events}
