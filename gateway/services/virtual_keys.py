"""Whose a signature in the exchange's own protocol is: the pairs that the gateway issued.

Redis is asked for the key's entry at each call, so that a revocation holds at once. `run` keeps all
entries at hand besides, for open sockets, and for while Redis is away.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from gateway.access.policy import Policy
from gateway.access.principal import Principal
from gateway.access.proving import Cause, NotProven
from gateway.custody import NotOpened, OpenVirtual, VirtualPair, key_digest, shown_entry
from gateway.domain.virtual_keys import VirtualKey
from gateway.store.redis import StoreUnavailable
from gateway.store.virtual_keys import VirtualKeyStore

_log = structlog.get_logger(__name__)

_NO_OPENER = "no key-encryption key is set"
_MOST_TOLD = 3
_MOST_REVOKED = 1_000
"""Of how many revoked keys it is remembered whose they were."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry as the reading number `asked` found it, and its pair, or why it does not open.

    `raw` is None for one that is not there any more.
    """

    asked: int
    raw: bytes | None
    pair: VirtualPair | None = None
    problem: str | None = None


class VirtualKeys:
    """Tells who has signed, and for which account.

    `opener` opens entries; without one no key proves anything. `learn` is told everything secret of
    all pairs that are open, each time that changes. `problem` says what is wrong: Redis is away, or
    entries do not open.
    """

    def __init__(
        self,
        store: VirtualKeyStore,
        opener: OpenVirtual | None,
        policy: Callable[[], Policy],
        suspended: Callable[[str], bool],
        learn: Callable[[Iterable[str]], None],
        poll_s: float,
    ) -> None:
        self._store = store
        self._opener = opener
        self._policy = policy
        self._suspended = suspended
        self._learn = learn
        self._poll_s = poll_s
        self._asked = 0
        self._entries: dict[str, _Entry] = {}
        self._standing: dict[str, VirtualKey] = {}
        self._revoked: OrderedDict[str, VirtualKey] = OrderedDict()
        self._away: str | None = None

    @property
    def problem(self) -> str | None:
        """What somebody should see to; None while all is well."""
        if self._away is not None:
            return f"{self._away}: virtual keys count as they were read last"
        faults = [entry.problem for entry in self._entries.values() if entry.problem is not None]
        told = "; ".join(sorted(faults)[:_MOST_TOLD])
        more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        return f"{told}{more}" if faults else None

    async def verify(
        self, api_key: str, text: bytes, signature: str, *, ask: bool = False
    ) -> tuple[VirtualKey, Principal]:
        """Whose `signature` of exactly `text` is, by the pair of `api_key`.

        `ask`: try Redis also while it was away a moment ago, for what must not pass by a key that
        was revoked since.

        Raises `NotProven`: the key is unknown or revoked, it is not its signature, or its principal
        is suspended, or in the policy no more. The cause is KEYS_AWAY where that cannot be known.
        """
        digest = key_digest(api_key)
        entry = await self._current(digest, ask=ask)
        if entry is None and self._away is not None:
            raise NotProven(cause=Cause.KEYS_AWAY)
        if entry is None or entry.raw is None:
            key = self._revoked.get(digest)
            raise NotProven(cause=Cause.UNKNOWN if key is None else Cause.REVOKED, key=key)
        if entry.pair is None:
            raise NotProven(cause=Cause.SEALED)
        if not entry.pair.verify(text, signature):
            raise NotProven(cause=Cause.SIGNATURE, key=entry.pair.key)
        return entry.pair.key, self._principal(entry.pair.key)

    def still_good(self, key: VirtualKey) -> bool:
        """Whether `key` stood at the last look, and its principal may still use it."""
        try:
            self._principal(key)
        except NotProven:
            return False
        return self._standing.get(key.id) == key

    async def run(self) -> None:
        """Look every so often, for ever."""
        while True:
            await self._look()
            await asyncio.sleep(self._poll_s)

    def _principal(self, key: VirtualKey) -> Principal:
        for principal in self._policy().principals():
            if principal.id == key.principal:
                if self._suspended(principal.id):
                    raise NotProven(cause=Cause.SUSPENDED, key=key)
                return principal
        raise NotProven(cause=Cause.SUBJECT, key=key)

    async def _current(self, digest: str, *, ask: bool) -> _Entry | None:
        # `run` finds out when it is back: nobody else waits for it meanwhile.
        if self._away is not None and not ask:
            return self._entries.get(digest)
        asked = self._next()
        try:
            raw = await self._store.find(digest)
        except StoreUnavailable as away:
            self._lost(away)
            return self._entries.get(digest)
        if raw is None and digest not in self._entries:
            return None
        read = await self._read(asked, {digest: raw})
        self._take(read)
        return read[digest]

    async def _look(self) -> None:
        asked = self._next()
        try:
            found = await self._store.all()
        except StoreUnavailable as away:
            self._lost(away)
            return
        self._back()
        self._forget_revoked(asked)
        self._take(await self._read(asked, {**dict.fromkeys(self._entries), **found}))

    def _next(self) -> int:
        self._asked += 1
        return self._asked

    async def _read(self, asked: int, found: Mapping[str, bytes | None]) -> dict[str, _Entry]:
        known = {
            digest: entry
            for digest, raw in found.items()
            if (entry := self._known(asked, digest, raw)) is not None
        }
        new = {
            digest: raw for digest, raw in found.items() if raw is not None and digest not in known
        }
        return known | (await asyncio.to_thread(self._opened, asked, new) if new else {})

    def _known(self, asked: int, digest: str, raw: bytes | None) -> _Entry | None:
        """What was found, when there is nothing to open."""
        if raw is None:
            return _Entry(asked, None)
        held = self._entries.get(digest)
        if held is None or held.raw != raw or held.pair is None:
            return None
        return _Entry(asked, raw, held.pair)

    def _opened(self, asked: int, found: dict[str, bytes]) -> dict[str, _Entry]:
        """Open what was found; for a thread, for a file may have to be read."""
        return {digest: self._open(asked, digest, raw) for digest, raw in found.items()}

    def _open(self, asked: int, digest: str, raw: bytes) -> _Entry:
        problem = _NO_OPENER
        if self._opener is not None:
            try:
                return _Entry(asked, raw, self._opener(digest, raw))
            except NotOpened as refused:
                problem = refused.problem
        return _Entry(asked, raw, problem=f"{shown_entry(digest, raw)} does not open: {problem}")

    def _take(self, read: Mapping[str, _Entry]) -> None:
        """Hold what was read, but for what a reading that began later found otherwise."""
        changed = False
        for digest, entry in read.items():
            held = self._entries.get(digest)
            if held is None or held.asked <= entry.asked:
                changed |= (held and held.pair) is not entry.pair
                self._report(digest, held, entry)
                self._entries[digest] = entry
        if changed:
            pairs = [entry.pair for entry in self._entries.values() if entry.pair is not None]
            self._standing = {pair.key.id: pair.key for pair in pairs}
            self._learn(frozenset().union(*(pair.secrets() for pair in pairs)))

    def _forget_revoked(self, asked: int) -> None:
        """Forget what an earlier look found gone; until then, what was asked before could come."""
        revoked = [
            digest
            for digest, entry in self._entries.items()
            if entry.raw is None and entry.asked < asked
        ]
        for digest in revoked:
            del self._entries[digest]

    def _report(self, digest: str, held: _Entry | None, now: _Entry) -> None:
        if now.problem is not None and (held is None or held.problem != now.problem):
            _log.error("virtual_key.not_opened", problem=now.problem)
        if now.raw is None and held is not None and held.pair is not None:
            key = held.pair.key
            _log.warning(
                "virtual_key.revoked", key=key.id, principal=key.principal, account=key.account
            )
            self._revoked[digest] = key
            if len(self._revoked) > _MOST_REVOKED:
                self._revoked.popitem(last=False)

    def _lost(self, away: StoreUnavailable) -> None:
        if self._away is None:
            _log.warning("virtual_keys.away", cause=away.cause)
        self._away = str(away)

    def _back(self) -> None:
        if self._away is not None:
            _log.info("virtual_keys.back")
        self._away = None
