"""A policy to try out beside the one in force: it allows nothing and denies nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.access.faults import BadPolicy
from gateway.access.policy import Policy
from gateway.access.policy_file import PolicyFile

_log = structlog.get_logger(__name__)

_ROLE = "candidate"


class CandidateFile:
    """Follows the candidate at `path`. Nothing about it keeps the gateway from running.

    `current`: the newest good policy that the file held, or None when it never held one. `problem`
    says what is wrong with the file now.
    """

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._path = path
        self._wall_ms = wall_ms
        self._refusal: str | None = None
        self._file: PolicyFile | None = None
        self._open()

    @property
    def current(self) -> Policy | None:
        """The policy to try out."""
        return None if self._file is None else self._file.current

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, if anything."""
        return self._refusal if self._file is None else self._file.problem

    async def watch(
        self,
        every_s: float,
        on_change: Callable[[Policy], None],
        on_refused: Callable[[], None],
    ) -> None:
        """Look at the file's content every `every_s` seconds, for ever."""
        while self._file is None:
            await asyncio.sleep(every_s)
            refusal = self._refusal
            await asyncio.to_thread(self._open)
            if self._file is not None:
                on_change(self._file.current)
            elif self._refusal != refusal:
                on_refused()
        await self._file.watch(every_s, on_change, on_refused)

    def _open(self) -> None:
        try:
            self._file = PolicyFile(self._path, self._wall_ms, _ROLE)
        except BadPolicy as bad:
            if str(bad) != self._refusal:
                _log.error("policy.refused", role=_ROLE, problem=str(bad))
            self._refusal = str(bad)
