"""Short questions to servers on this machine."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from gateway.cli.dev.ports import HOST
from gateway.cli.operations import operation

_TIMEOUT_S = 5.0


@dataclass(eq=False)
class NoAnswer(Exception):
    """The gateway did not answer an operation as it should; `instead` is what came."""

    operation: str
    instead: object

    def __str__(self) -> str:
        """Say what came instead."""
        return f"the gateway did not answer {self.operation!r} as it should: {self.instead}"


def is_up(port: int, path: str) -> bool:
    """Whether a GET of `path` is answered with 200."""
    with suppress(OSError, http.client.HTTPException), closing(_connection(port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def ask(port: int, token: str, name: str, variables: Mapping[str, object]) -> dict[str, Any]:
    """The `data` of the answer to the operation `name`; raise `NoAnswer` if it has errors."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"query": operation(name), "variables": variables})
    try:
        with closing(_connection(port)) as connection:
            connection.request("POST", "/graphql", body, headers)
            answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(name, error) from error
    if answer.get("errors") or not answer.get("data"):
        raise NoAnswer(name, answer)
    data: dict[str, Any] = answer["data"]
    return data


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
