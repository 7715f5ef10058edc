"""Against a captured signature on another endpoint, for it covers neither method nor path."""

from collections import OrderedDict
from hashlib import sha256
from typing import TypeAlias

import structlog

from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import NotRecorded
from gateway.domain.virtual_keys import VirtualKey
from gateway.store.redis import StoreUnavailable
from gateway.store.replays import ReplayStore

_log = structlog.get_logger(__name__)

MOST_REMEMBERED = 10_000
_AFTER_MS = 2_000
"""How much longer than it can be good a signature is kept: replicas' clocks differ a little."""

_Name: TypeAlias = tuple[str, bytes]
"""A key's id, and a digest of what it signed."""


class ReplayGuard:
    """Lets each signature act on one endpoint only, over all replicas, for as long as it is good.

    On that endpoint it passes as often as it comes: the same bytes again are the same order, and
    the journal has its outcome. No signature is good for longer than `good_ms` after it came first;
    every one is kept for that long, so that no clock that is set can shorten it. The last that this
    process has seen it remembers by itself too, for when Redis is away or has forgotten.
    """

    def __init__(self, store: ReplayStore, good_ms: int) -> None:
        self._store = store
        self._keep_ms = good_ms + _AFTER_MS
        self._seen: OrderedDict[_Name, str] = OrderedDict()

    async def admit(
        self, key: VirtualKey, signature: str, endpoint: str, *, may_pass_when_away: bool
    ) -> None:
        """Admit a proven signature, whose window is open, to an endpoint (method and path).

        Raises `NotProven` when another endpoint has seen it. While Redis is away: `NotRecorded`,
        unless it `may_pass_when_away`, by what this process remembers.
        """
        try:
            first = await self._store.first_seen_on(key.id, signature, endpoint, self._keep_ms)
        except StoreUnavailable:
            if not may_pass_when_away:
                raise NotRecorded from None
            first = endpoint
        for seen_on in (first, self._remembered(_name(key, signature), first)):
            if seen_on != endpoint:
                _log.warning("replay.refused", key=key.id, endpoint=endpoint, seen_on=seen_on)
                raise NotProven(cause=Cause.REPLAYED, key=key)

    def remembers(self, key: VirtualKey, signature: str, endpoint: str) -> bool:
        """Whether this process has seen the signature on the endpoint, among the last it saw."""
        return self._seen.get(_name(key, signature)) == endpoint

    def _remembered(self, name: _Name, first: str) -> str:
        """The endpoint that is remembered for it: from now on `first`, if none was."""
        seen_on = self._seen.setdefault(name, first)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return seen_on


def _name(key: VirtualKey, signature: str) -> _Name:
    return key.id, sha256(signature.encode()).digest()
