"""Keeps the keyring up to date with the sources of keys, and with what the exchange takes.

A key is switched to only once the exchange has taken it. Until then, and for as long as a source is
faulty, the keys in force stay.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from gateway.custody import (
    FaultyCredentials,
    FoundKeys,
    Key,
    Keyring,
    KeySource,
    read_keys,
    secrets,
)
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.signing import KeyId, KeySlot, Sign
from gateway.exchange import ExchangeClient
from gateway.services.key_probe import KeyRefused, NotProbed, probe

_log = structlog.get_logger(__name__)

_REFUSED_SOURCE = AuditEvent(
    kind=AuditKind.KEYS, principal=GATEWAY, action="keys.refused", outcome="REFUSED"
)
"""A source of keys is faulty: the log says how, for a fault may quote a path."""

Note = Callable[[AuditEvent], None]
"""Puts an event on record, later."""


class KeyRefusals:
    """Stops a key that the exchange refuses: what the exchange's client is to tell of refusals."""

    def __init__(self, keyring: Keyring, note: Note) -> None:
        self._keyring = keyring
        self._note = note

    def __call__(self, key: KeyId, code: str) -> None:
        """Use `key` no more, refused with `code`; on record once."""
        if self._keyring.stop(key, code):
            _tell(self._note, "key.stopped", key, _refusal(code))


@dataclass(frozen=True, slots=True)
class KeyHooks:
    """Who is told what.

    `learn`: every secret known so far, before a new one is used for the first time. `note`: what is
    put on record. `on_change`: an account that came, went, or is read with another key from now on.
    """

    learn: Callable[[Iterable[str]], None]
    note: Note
    on_change: Callable[[str], None]


class KeyRotation:
    """Follows `sources`; `recheck_s` lies between two probes of a key that is refused.

    `clock` in seconds, never going back.
    """

    def __init__(  # what it moves between, each by its name
        self,
        *,
        keyring: Keyring,
        sources: Sequence[KeySource],
        exchange: ExchangeClient,
        recheck_s: float,
        hooks: KeyHooks,
        clock: Callable[[], float],
    ) -> None:
        self._keyring = keyring
        self._sources = sources
        self._exchange = exchange
        self._recheck_s = recheck_s
        self._hooks = hooks
        self._clock = clock
        self._secrets = keyring.secrets()
        self._fault: str | None = None
        self._exposed: tuple[str, ...] = ()
        self._waiting: dict[KeyId, str] = {}
        self._not_before: dict[KeyId, float] = {}

    @property
    def problem(self) -> str | None:
        """What keeps a source or a key from being used; None if nothing does."""
        problems = [] if self._fault is None else [self._fault]
        problems += [f"{key} is not used yet: {why}" for key, why in self._waiting.items()]
        problems += [
            f"the exchange refuses {key} ({code})" for key, code in self._stopped().items()
        ]
        return "; ".join(problems) or None

    @property
    def not_taken(self) -> bool:
        """True while a source is bad, or a key that is to be switched to is not used yet."""
        return self._fault is not None or bool(self._waiting)

    async def run(self, every_s: float) -> None:
        """Look at the sources every `every_s` seconds, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(every_s)

    async def refresh(self) -> None:
        """Look once: take over what changed, and try again the keys whose time has come."""
        before = self._readers()
        found = await self._read()
        if found is not None:
            self._drop_missing(found.keys)
            await self._switch(found.keys)
        await self._resume()
        after = self._readers()
        for account in sorted(before.keys() | after.keys()):
            if (account in before, before.get(account)) != (account in after, after.get(account)):
                self._hooks.on_change(account)

    def _readers(self) -> dict[str, KeyId | None]:
        return {account: self._keyring.reading_key(account) for account in self._keyring.accounts}

    def _stopped(self) -> dict[KeyId, str]:
        return {
            KeyId(status.slot, status.version): status.stopped
            for status in self._keyring.slots()
            if status.stopped is not None
        }

    async def _read(self) -> FoundKeys | None:
        found, fault = None, None
        try:
            found = await asyncio.to_thread(read_keys, self._sources)
        except FaultyCredentials as faulty:
            fault = " ".join(faulty.faults)
        else:
            self._warn(found.warnings)
        if fault is not None and fault != self._fault:
            _log.error("keys.refused", problem=fault)
            self._hooks.note(_REFUSED_SOURCE)
        self._fault = fault
        return found

    def _warn(self, warnings: tuple[str, ...]) -> None:
        for warning in warnings:
            if warning not in self._exposed:
                _log.warning("credentials.exposed", problem=warning)
        self._exposed = warnings

    def _drop_missing(self, keys: Mapping[KeySlot, Key]) -> None:
        for status in self._keyring.slots():
            if status.slot not in keys:
                self._keyring.remove(status.slot)
                _tell(self._hooks.note, "key.removed", KeyId(status.slot, status.version))

    async def _switch(self, keys: Mapping[KeySlot, Key]) -> None:
        in_force = {KeyId(status.slot, status.version) for status in self._keyring.slots()}
        wanted = {KeyId(slot, key.version): key for slot, key in keys.items()}
        candidates = {key_id: wanted[key_id] for key_id in wanted.keys() - in_force}
        self._waiting = {key: why for key, why in self._waiting.items() if key in candidates}
        tried = candidates.keys() | self._stopped().keys()
        self._not_before = {key: at for key, at in self._not_before.items() if key in tried}
        for key_id in sorted(candidates, key=str):
            if self._clock() >= self._not_before.get(key_id, 0):
                await self._try(key_id, candidates[key_id])

    async def _try(self, key_id: KeyId, key: Key) -> None:
        self._secrets |= secrets(key.credential)
        self._hooks.learn(self._secrets)
        problem = await self._verdict(key_id, self._keyring.candidate(key_id.slot, key))
        if problem is None:
            self._waiting.pop(key_id, None)
            self._keyring.replace(key_id.slot, key)
            _tell(self._hooks.note, "key.switched", key_id)
        elif problem != self._waiting.get(key_id):
            self._waiting[key_id] = problem
            _tell(self._hooks.note, "key.not_used", key_id, problem)

    async def _resume(self) -> None:
        for key_id in self._stopped():
            now = self._clock()
            if now < self._not_before.setdefault(key_id, now + self._recheck_s):
                continue
            problem = await self._verdict(key_id, self._keyring.candidate(key_id.slot))
            if problem is None and self._keyring.resume(key_id):
                _tell(self._hooks.note, "key.resumed", key_id)

    async def _verdict(self, key_id: KeyId, sign: Sign) -> str | None:
        """Say why the exchange does not take a key, or None if it does.

        One that it refuses waits for its next trial; one that it was not asked about does not.
        """
        self._not_before.pop(key_id, None)
        problem: str | None = "given up"
        try:
            await probe(self._exchange, key_id.slot.purpose, sign)
            problem = None
        except KeyRefused as refused:
            self._not_before[key_id] = self._clock() + self._recheck_s
            problem = _refusal(refused.code)
        except NotProbed as failure:
            self._not_before[key_id] = self._clock()
            problem = failure.problem
        finally:
            # A probe is signed with the key, and so on record like every signed call.
            self._hooks.note(_event("key.probed", key_id, problem))
        return problem


def _refusal(code: str) -> str:
    return f"the exchange refuses it ({code})"


def _tell(note: Note, what: str, key: KeyId, problem: str | None = None) -> None:
    if problem is None:
        _log.info(what, key=str(key))
    else:
        _log.error(what, key=str(key), problem=problem)
    note(_event(what, key, problem))


def _event(what: str, key: KeyId, problem: str | None) -> AuditEvent:
    told = {} if problem is None else {"problem": problem}
    return AuditEvent(
        kind=AuditKind.KEYS,
        principal=GATEWAY,
        account=key.slot.account,
        action=what,
        outcome="OK" if problem is None else KeyUnavailable.code,
        detail={"purpose": key.slot.purpose, "version": key.version, **told},
    )
