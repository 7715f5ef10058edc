"""Redis' protocol, as far as a listener on the wire needs it: where commands and replies end."""

from collections.abc import Iterator

_LINE = b"\r\n"
_OF_LENGTH = b"$=!"
_OF_PARTS = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}
_PUSH = b">"


class Commands:
    """What a client sends, command by command, however it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
        """Take bytes in; give each command that is whole now, as it came and as its words."""
        self._buffer += received
        while (end := end_of(self._buffer, 0)) is not None:
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield raw, _words(raw)


class Replies:
    """What a server sends, reply by reply, however it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[bytes, bool]]:
        """Take bytes in; give each reply that is whole now, and whether a command is behind it."""
        self._buffer += received
        while (end := end_of(self._buffer, 0)) is not None:
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield raw, not raw.startswith(_PUSH)


def end_of(buffer: bytes | bytearray, start: int) -> int | None:
    """Where the value that begins at `start` ends; None while it is not all there."""
    line_end = buffer.find(_LINE, start)
    if line_end < 0:
        return None
    kind, after = bytes(buffer[start : start + 1]), line_end + len(_LINE)
    if kind in _OF_PARTS:
        parts = int(buffer[start + 1 : line_end]) * _OF_PARTS[kind]
        # An attribute stands before the value that it is about.
        return _after_parts(buffer, after, parts + (kind == b"|"))
    if kind in _OF_LENGTH:
        length = int(buffer[start + 1 : line_end])
        after += max(0, length + len(_LINE)) if length >= 0 else 0
    return after if after <= len(buffer) else None


def _after_parts(buffer: bytes | bytearray, start: int, parts: int) -> int | None:
    for _ in range(parts):
        end = end_of(buffer, start)
        if end is None:
            return None
        start = end
    return start


def _words(raw: bytes) -> list[bytes]:
    """The bulk strings of a command."""
    words, position = [], raw.index(_LINE) + len(_LINE)
    while position < len(raw):
        line_end = raw.index(_LINE, position)
        start, length = line_end + len(_LINE), int(raw[position + 1 : line_end])
        words.append(raw[start : start + length])
        position = start + length + len(_LINE)
    return words
