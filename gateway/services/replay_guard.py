"""Against a captured signature on another endpoint, for it covers neither method nor path."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

import structlog

from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import NotRecorded
from gateway.store.redis import StoreUnavailable
from gateway.store.replays import ReplayStore

_log = structlog.get_logger(__name__)

MOST_REMEMBERED = 10_000
_AFTER_MS = 2_000
"""How much longer than its window a signature is remembered: replicas' clocks differ a little."""

_Name: TypeAlias = tuple[str, bytes]
"""A key's id, and a digest of what it signed."""


class ReplayGuard:
    """Lets each signature act on one endpoint only, over all replicas, until its window has passed.

    On that endpoint it passes as often as it comes: the same bytes again are the same order, and
    the journal has its outcome. `wall_ms` is the clock that windows are held against. What this
    process has seen it remembers by itself too, for when Redis is away or has forgotten.
    """

    def __init__(self, store: ReplayStore, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._wall_ms = wall_ms
        self._seen: OrderedDict[_Name, tuple[str, int]] = OrderedDict()

    async def admit(
        self,
        key_id: str,
        signature: str,
        endpoint: str,
        until_ms: int,
        *,
        may_pass_when_away: bool,
    ) -> None:
        """Admit a proven signature to an endpoint (method and path); its window ends at `until_ms`.

        Raises `NotProven` when another endpoint has seen it. While Redis is away: `NotRecorded`,
        unless it `may_pass_when_away`, by what this process remembers.
        """
        now = self._wall_ms()
        keep_ms = max(0, until_ms - now) + _AFTER_MS
        try:
            first = await self._store.first_seen_on(key_id, signature, endpoint, keep_ms)
        except StoreUnavailable:
            if not may_pass_when_away:
                raise NotRecorded from None
            first = endpoint
        name = (key_id, sha256(signature.encode()).digest())
        for seen_on in (first, self._remembered(name, first, now + keep_ms)):
            if seen_on != endpoint:
                _log.warning("replay.refused", key=key_id, endpoint=endpoint, seen_on=seen_on)
                raise NotProven(cause=Cause.REPLAYED)

    def remembers(self, key_id: str, signature: str, endpoint: str) -> bool:
        """Whether this process has seen the signature on the endpoint, and its window is open."""
        self._forget_passed()
        seen_on, _ = self._seen.get((key_id, sha256(signature.encode()).digest()), (None, 0))
        return seen_on == endpoint

    def _remembered(self, name: _Name, first: str, until_ms: int) -> str:
        """The endpoint that is remembered for it: from now on `first`, if none was."""
        self._forget_passed()
        seen_on, _ = self._seen.setdefault(name, (first, until_ms))
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return seen_on

    def _forget_passed(self) -> None:
        now = self._wall_ms()
        while self._seen and next(iter(self._seen.values()))[1] < now:
            self._seen.popitem(last=False)
