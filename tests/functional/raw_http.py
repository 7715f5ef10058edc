"""HTTP as an attacker writes it: bytes that no client would send, and all that comes back."""

import re
import socket

from tests.functional.service import Service

_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)


def request(
    target: str, *headers: str, method: str = "GET", body: bytes = b"", token: str | None = None
) -> bytes:
    """A request as it goes over the wire, after which the connection ends."""
    given = [*headers] if token is None else [*headers, f"Authorization: Bearer {token}"]
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway", "Connection: close", *given]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(service: Service, sent: bytes) -> bytes:
    """Send bytes to a gateway; give all that it sends until it closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=15) as raw:
        raw.sendall(sent)
        while piece := raw.recv(65_536):
            received += piece
    return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer in what a gateway sent."""
    return [int(status) for status in _STATUS.findall(received)]
