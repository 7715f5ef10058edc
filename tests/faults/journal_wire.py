"""The wire between a gateway and its Redis: it knows the journal's writes when they pass."""

import json
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any, TypeAlias

from tests.faults.resp import Commands, Replies
from tests.faults.tcp_wire import TcpWire, WireLog

BEGIN, CHANGE = "begin", "change"
_MARKS = {f"-- journal.{script}".encode(): script for script in (BEGIN, CHANGE)}
_BLOCK = 65_536


class Moment(StrEnum):
    """When a write can be met on its way."""

    ASKED = "before it reaches Redis"
    ANSWERED = "before its answer goes back"


@dataclass(frozen=True)
class Write:
    """A write of the journal: which script, whose placement, from which state to which.

    An intent comes from no state. `taken_over`: the write raises the epoch that fences its sender.
    """

    script: str
    account: str
    before: str | None
    state: str
    digest: str
    taken_over: bool = False


Hook: TypeAlias = Callable[[Write, Moment], bool]
"""Is called in the thread of the connection, which waits for it; False cuts the connection."""


def let_pass(write: Write, moment: Moment) -> bool:
    """Do nothing."""
    return True


class JournalWire(TcpWire):
    """Passes a gateway's commands on, and asks `hook` about each write of the journal.

    `log` is told the digest of every intent whose record is acknowledged to the gateway.
    """

    def __init__(self, target: int, log: WireLog) -> None:
        self.hook: Hook = let_pass
        self._log = log
        self._awaited: dict[socket.socket, deque[Write | None]] = {}
        self._guard = Lock()
        super().__init__(target)

    def ask(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Pass commands on one by one."""
        awaited, commands = self._awaited_on(answerer), Commands()
        while received := caller.recv(_BLOCK):
            for raw, words in commands.feed(received):
                write = write_of(words)
                if write is not None and not self.hook(write, Moment.ASKED):
                    return
                awaited.append(write)
                answerer.sendall(raw)

    def answer(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Pass replies back one by one."""
        awaited, replies = self._awaited_on(answerer), Replies()
        while received := answerer.recv(_BLOCK):
            for raw, answers in replies.feed(received):
                write = awaited.popleft() if answers else None
                if write is not None and not self.hook(write, Moment.ANSWERED):
                    return
                if write is not None and write.script == BEGIN:
                    self._log.begun(write.account, write.digest)
                caller.sendall(raw)

    def _awaited_on(self, answerer: socket.socket) -> deque[Write | None]:
        with self._guard:
            return self._awaited.setdefault(answerer, deque())


def write_of(words: Sequence[bytes]) -> Write | None:
    """What a command writes to the journal; None when it is no such command.

    A script that is given the text of the record before as well has that one first.
    """
    if len(words) < 2 or words[0].upper() != b"EVAL":
        return None
    script = next((name for mark, name in _MARKS.items() if words[1].startswith(mark)), None)
    records = list(_records(words[2:]))
    if script is None or len(records) < (2 if script == CHANGE else 1):
        return None
    earlier, record = records[-2] if script == CHANGE else None, records[-1]
    return Write(
        script,
        record["command"]["account"],
        None if earlier is None else earlier["state"],
        record["state"],
        record["digest"],
        taken_over=earlier is not None and earlier["epoch"] < record["epoch"],
    )


def _records(words: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for word in words:
        with suppress(ValueError):
            value = json.loads(word)
            if isinstance(value, dict) and {"command", "state", "digest"} <= value.keys():
                yield value
