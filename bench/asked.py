"""Requests as bytes, each with what tells an answer to it from a refusal."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.measured import Target
from gateway.cli.dev.workspace import KeyPair

_HOST = "Host: 127.0.0.1\r\n"
_WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, to be sent as it is, and often. `is_answered` looks at the body of a reply."""

    request: bytes = field(repr=False)
    is_answered: Callable[[bytes], bool]


def graphql(target: Target, document: str, variables: Mapping[str, object]) -> Asked:
    """An operation, in the name of the target's token."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\n{_HOST}Content-Type: application/json\r\n"
        f"Authorization: Bearer {target.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Asked(head.encode() + body, _is_without_errors)


def unsigned(path: str) -> Asked:
    """A public endpoint of the exchange's document, with its query string."""
    return Asked(f"GET {path} HTTP/1.1\r\n{_HOST}\r\n".encode(), _is_success)


def signed(path: str, pair: KeyPair) -> Asked:
    """A signed read, good for the next minute ('Security')."""
    query = f"timestamp={time.time_ns() // 1_000_000}&windowSize={_WINDOW_MS}"
    signature = hmac.new(pair.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    line = f"GET {path}?{query}&signature={signature} HTTP/1.1\r\n"
    head = f"{line}{_HOST}X-APNK-APIKEY: {pair.api_key}\r\n\r\n"
    return Asked(head.encode(), _is_success)


def _is_without_errors(body: bytes) -> bool:
    return b'"errors"' not in body


def _is_success(body: bytes) -> bool:
    return b'"code":"00000"' in body
