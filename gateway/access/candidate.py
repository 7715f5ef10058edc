"""A policy to try out beside the one in force: it denies nothing, it tells what it would deny."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.access.faults import BadPolicy
from gateway.access.policy import Action, Decision, OrderTerms, Policy
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

    async def watch(self, every_s: float, on_change: Callable[[Policy], None]) -> None:
        """Look at the file's content every `every_s` seconds, for ever."""
        while self._file is None:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self._open)
            if self._file is not None:
                on_change(self._file.current)
        await self._file.watch(every_s, on_change)

    def _open(self) -> None:
        try:
            self._file = PolicyFile(self._path, self._wall_ms, _ROLE)
        except BadPolicy as bad:
            if str(bad) != self._refusal:
                _log.error("policy.refused", role=_ROLE, problem=str(bad))
            self._refusal = str(bad)


@dataclass(frozen=True, slots=True)
class WouldDeny:
    """What the policy in force allows and the candidate denies, with its `decision`."""

    principal_id: str
    action: Action
    account: str | None
    decision: Decision


class Decisions:
    """Decides by the policy in force, and tells `on_would_deny` what only the candidate denies."""

    def __init__(
        self,
        in_force: Callable[[], Policy],
        candidate: Callable[[], Policy | None],
        on_would_deny: Callable[[WouldDeny], None],
    ) -> None:
        self._in_force = in_force
        self._candidate = candidate
        self._on_would_deny = on_would_deny

    def decide(
        self,
        principal_id: str,
        action: Action,
        account: str | None = None,
        terms: OrderTerms | None = None,
    ) -> Decision:
        """Decide as `Policy.decide` of the policy in force does; the candidate changes nothing."""
        decision = self._in_force().decide(principal_id, action, account, terms)
        if decision.allowed:
            denial = self.would_deny(principal_id, action, account, terms)
            if denial is not None:
                self._on_would_deny(WouldDeny(principal_id, action, account, denial))
        return decision

    def would_deny(
        self,
        principal_id: str,
        action: Action,
        account: str | None = None,
        terms: OrderTerms | None = None,
    ) -> Decision | None:
        """The candidate's decision if there is a candidate and it denies, whatever is in force."""
        candidate = self._candidate()
        if candidate is None:
            return None
        decision = candidate.decide(principal_id, action, account, terms)
        return None if decision.allowed else decision
