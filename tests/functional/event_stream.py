"""GraphQL over server-sent events, as a client in Python reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.functional.callers import Caller, Json

EVENTS = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Event:
    """An event: what it is called, and its data."""

    name: str
    data: str


class EventReader:
    """Reads one event stream by the rules of HTML ('9.2.6 Interpreting an event stream')."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.retry: int | None = None
        self.comments = 0
        self._events = self._read(response.iter_lines())

    def receive(self) -> Event | None:
        """The next event; None at the end of the stream."""
        return next(self._events, None)

    def result(self) -> Json:
        """The execution result that comes next."""
        event = self.receive()
        assert event is not None
        assert event.name == "next"
        return json.loads(event.data)

    def next(self) -> Json:
        """The data of the result that comes next, which has no errors."""
        result = self.result()
        assert "errors" not in result, result
        return result["data"]

    def error_code(self) -> str:
        """The code of the error after which the stream is complete, past what came before it."""
        while "errors" not in (result := self.result()):
            pass
        assert self.receive() == Event("complete", "")
        assert self.receive() is None
        (error,) = result["errors"]
        return str(error["extensions"]["code"])

    def broke_off(self) -> bool:
        """Whether it ends without being complete, past what came before."""
        return all(event.name != "complete" for event in self._events)

    def _read(self, lines: Iterator[str]) -> Iterator[Event]:
        name, data = "message", list[str]()
        for line in lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "":
                if data:
                    yield Event(name, "\n".join(data))
                name, data = "message", []
            elif line.startswith(":"):
                self.comments += 1
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                self.retry = int(value)


@contextmanager
def event_stream(caller: Caller, query: str, **variables: object) -> Iterator[EventReader]:
    """Open one by POST, on a connection of its own."""
    body = {"query": query, "variables": variables}
    url = caller.http.base_url.join("/graphql")
    headers = caller.headers | EVENTS
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", url, json=body, headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK:
            response.read()
        yield EventReader(response)
