"""A policy, kept up to date with its file."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.access.faults import BadPolicy, Fault
from gateway.access.policy import Policy
from gateway.access.policy_text import parse_policy
from gateway.access.yaml_reader import MAX_BYTES

_log = structlog.get_logger(__name__)


class PolicyFile:
    """Follows the policy file at `path`. Raises `BadPolicy` when there is no good one at first.

    `current` is the newest good policy. A later bad file, or none, is refused whole: the old policy
    stays, and `problem` says why until the file is good again. `role` is what the log calls it.
    """

    def __init__(self, path: Path, wall_ms: Callable[[], int], role: str = "in force") -> None:
        self._path = path
        self._log = _log.bind(role=role)
        self._wall_ms = wall_ms
        self._seen: bytes | None = self._read()
        self.current = parse_policy(self._seen, wall_ms)
        self.problem: str | None = None

    async def watch(
        self,
        every_s: float,
        on_change: Callable[[Policy], None],
        on_refused: Callable[[], None],
    ) -> None:
        """Look at the file's content every `every_s` seconds, for ever.

        The content, not its time stamps: Kubernetes swaps a link to a folder above the file.
        """
        while True:
            await asyncio.sleep(every_s)
            before, problem = self.current.revision, self.problem
            await asyncio.to_thread(self._refresh)
            if self.current.revision != before:
                self._log.info("policy.changed", revision=self.current.revision)
                on_change(self.current)
            elif self.problem not in (None, problem):
                on_refused()

    def _refresh(self) -> None:
        before, self._seen = self._seen, None
        try:
            self._seen = self._read()
            if self._seen == before:
                return
            self.current = parse_policy(self._seen, self._wall_ms)
        except BadPolicy as bad:
            self._refuse(str(bad))
        else:
            self.problem = None

    def _refuse(self, problem: str) -> None:
        if problem != self.problem:
            self._log.error("policy.refused", problem=problem, kept=self.current.revision)
        self.problem = problem

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                # One byte more than is allowed is enough to tell that it is too much.
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise BadPolicy((Fault(0, f"cannot be read: {error.strerror}"),)) from error
