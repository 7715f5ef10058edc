"""The values in a policy file: ids, words, times, numbers, addresses."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import yaml

from gateway.access.faults import FaultList, named
from gateway.access.yaml_reader import YamlReader, line_of
from gateway.domain.limits import Rate
from gateway.domain.money import parse_plain

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_PLAIN_TEXT = re.compile(r"[!-~]{1,512}", re.ASCII)


class ValueReader:
    """Reads scalars; None, with a fault unless there is no node, for what is not as it must be."""

    def __init__(self, faults: FaultList, reader: YamlReader) -> None:
        self._faults = faults
        self._yaml = reader
        self._seen: dict[tuple[str, str], yaml.Node] = {}

    def identity(
        self, what: str, node: yaml.Node | None, *, reserved: tuple[str, ...] = ()
    ) -> str | None:
        """An id, once for each kind of thing `what`; one of `reserved` is the gateway's own."""
        text = self._yaml.text(node)
        if node is None or text is None:
            return None
        if not _ID.fullmatch(text):
            self._faults.add(line_of(node), f"{what} id: expected 1 to 64 of A-Z a-z 0-9 . _ -")
        elif text in reserved:
            self._faults.add(line_of(node), f"{what} id: {text!r} is the gateway's own word")
        self.once(what, text, node, shown=named(what, text))
        return text

    def once(self, what: str, value: str, node: yaml.Node, *, shown: str) -> None:
        """Note a fault if `value` has stood elsewhere before, among those of the kind `what`."""
        first = self._seen.setdefault((what, value), node)
        if first is not node:
            self._faults.add(line_of(node), f"{shown} stands on line {line_of(first)} already")

    def word(self, words: type[E], what: str, node: yaml.Node | None) -> E | None:
        """One of a few words."""
        text = self._yaml.text(node)
        if node is None or text is None:
            return None
        try:
            return words(text)
        except ValueError:
            problem = f"{named(f'unknown {what}', text)}; known are: {', '.join(words)}"
            self._faults.add(line_of(node), problem)
            return None

    def digest(self, node: yaml.Node | None) -> str | None:
        """A token's SHA-256, once. A fault shows nothing of it: it may be the token itself."""
        digest = self._scalar(
            node, _text_like(_SHA256), "expected 64 hex digits in lower case, of 'policy new-token'"
        )
        if node is not None and digest is not None:
            self.once("sha256", digest, node, shown="this token")
        return digest

    def time(self, node: yaml.Node | None) -> int | None:
        """A moment with its zone, in ms since the Unix epoch."""
        return self._scalar(node, _moment, "expected a time such as 2027-01-31T00:00:00Z")

    def rate(self, node: yaml.Node | None) -> Rate | None:
        """A rate such as 10/s."""
        problem = "expected a rate such as '10/s', '600/min' or '5000/h'"
        return self._scalar(node, Rate.parse, problem)

    def count(self, node: yaml.Node | None) -> int | None:
        """A whole number from 1 to 999999."""
        return self._scalar(node, _count, "expected a whole number from 1 to 999999")

    def positive(self, node: yaml.Node | None) -> Decimal | None:
        """A decimal above 0, taken digit by digit as it is written, quoted or not."""
        problem = 'expected a decimal above 0 in plain notation, such as "1000.50"'
        return self._scalar(node, _positive, problem)

    def percent(self, node: yaml.Node | None) -> Decimal | None:
        """A decimal above 0 and at most 100."""
        return self._scalar(node, _percent, 'expected percent above 0 and at most 100, such as "5"')

    def code(self, what: str, node: yaml.Node | None) -> str | None:
        """A market's symbol or an asset, as the exchange writes it: in capitals."""
        problem = f"expected {what} in capitals and digits, as the exchange writes it"
        return self._scalar(node, _text_like(_CODE), problem)

    def plain_text(self, node: yaml.Node | None) -> str | None:
        """Up to 512 printable ASCII characters without a space."""
        problem = "expected 1 to 512 printable ASCII characters without spaces"
        return self._scalar(node, _text_like(_PLAIN_TEXT), problem)

    def address(self, node: yaml.Node | None) -> str | None:
        """An HTTPS address; plain HTTP only to this machine."""
        problem = "expected an address such as 'https://issuer.example.com', http only to loopback"
        return self._scalar(node, _address, problem)

    def path(self, node: yaml.Node | None) -> str | None:
        """The path of a file, from the root."""
        return self._scalar(node, _path, "expected a path that begins with '/'")

    def _scalar(self, node: yaml.Node | None, read: Callable[[str], T], problem: str) -> T | None:
        # Digits alone would be a number to YAML, and a time a date: any scalar is taken as written.
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode):
            try:
                return read(node.value)
            except (ValueError, OverflowError):
                pass
        self._yaml.fault(node, problem)
        return None


def _text_like(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return read


def _moment(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return int(time.timestamp() * 1000)


def _count(text: str) -> int:
    return int(_text_like(_COUNT)(text))


def _positive(text: str) -> Decimal:
    value = parse_plain(text)
    if value <= 0:
        raise ValueError
    return value


def _percent(text: str) -> Decimal:
    value = _positive(text)
    if value > 100:  # noqa: PLR2004  # percent
        raise ValueError
    return value


def _address(text: str) -> str:
    parts = urlsplit(_text_like(_PLAIN_TEXT)(text))
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    # Reading `port` raises ValueError when it is none.
    if not (secure and host) or parts.port == 0 or "@" in parts.netloc or parts.fragment:
        raise ValueError
    return text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise ValueError
    return text
