"""Switches and suspensions in the state Redis: one hash that never expires, for all replicas.

Each field is one switch or one suspension, so that two operators never undo each other's work.
"""

from dataclasses import dataclass
from typing import TypeAlias, cast
from urllib.parse import quote, unquote

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.account import TradingState
from gateway.domain.audit import GATEWAY
from gateway.domain.switches import Scope, Suspension, Switch
from gateway.store.redis import attempt

_log = structlog.get_logger(__name__)

KEY = "ngw:1:switches"

_EVERYTHING = "everything"
_SUSPENSION = "suspension:"
_Decoder: TypeAlias = msgspec.json.Decoder[Switch] | msgspec.json.Decoder[Suspension]
_SWITCHES = msgspec.json.Decoder(Switch)
_SUSPENSIONS = msgspec.json.Decoder(Suspension)


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is switched off, and all who are suspended; each in the order of what it is for."""

    switches: tuple[Switch, ...] = ()
    suspensions: tuple[Suspension, ...] = ()


class SwitchStore:
    """Reads and writes them. Everything here raises `StoreUnavailable`; a write may then stand."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._unreadable: set[str] = set()

    async def read(self) -> Standing:
        """All that stands now.

        What cannot be read counts as CANCEL_ONLY for everything: it was put there to stop
        something, and nobody knows what. A suspension's field says whom it is for, who stays
        suspended.
        """
        fields = cast(
            "dict[bytes, bytes]", await attempt(lambda: self._redis.hgetall(KEY), tries=2)
        )
        entries = [
            entry
            for name, raw in sorted(fields.items())
            for entry in self._entries(name.decode(errors="replace"), raw)
        ]
        return Standing(
            tuple(entry for entry in entries if isinstance(entry, Switch)),
            tuple(entry for entry in entries if isinstance(entry, Suspension)),
        )

    async def set(self, switch: Switch) -> None:
        """Let a switch stand in place of the one for the same; one that is ACTIVE is removed."""
        name = _name(switch.scope)
        if switch.state is TradingState.ACTIVE:
            await attempt(lambda: self._redis.hdel(KEY, name), tries=2)
        else:
            raw = msgspec.json.encode(switch)
            await attempt(lambda: self._redis.hset(KEY, name, raw), tries=2)

    async def suspend(self, suspension: Suspension) -> None:
        """Let a suspension stand in place of the principal's last one."""
        name, raw = _SUSPENSION + _quoted(suspension.principal), msgspec.json.encode(suspension)
        await attempt(lambda: self._redis.hset(KEY, name, raw), tries=2)

    async def restore(self, principal: str) -> None:
        """Remove a principal's suspension, if there is one."""
        name = _SUSPENSION + _quoted(principal)
        await attempt(lambda: self._redis.hdel(KEY, name), tries=2)

    def _entries(self, name: str, raw: bytes) -> tuple[Switch | Suspension, ...]:
        decoder: _Decoder = _SUSPENSIONS if name.startswith(_SUSPENSION) else _SWITCHES
        try:
            return (decoder.decode(raw),)
        except (msgspec.MsgspecError, ValueError):
            if name not in self._unreadable:
                self._unreadable.add(name)
                _log.exception("switches.unreadable", field=name)
            reason = f"the field {name} of {KEY} in Redis cannot be read"
            switch = Switch(Scope(), TradingState.CANCEL_ONLY, reason, GATEWAY, 0)
            if not name.startswith(_SUSPENSION):
                return (switch,)
            principal = unquote(name.removeprefix(_SUSPENSION))
            return switch, Suspension(principal, reason, GATEWAY, 0)


def _name(scope: Scope) -> str:
    if scope.account is not None:
        return f"account:{_quoted(scope.account)}"
    return _EVERYTHING if scope.principal is None else f"principal:{_quoted(scope.principal)}"


def _quoted(part: str) -> str:
    # An id may come from anyone, half a surrogate pair in it, which no UTF-8 can carry.
    return quote(part, safe="", errors="surrogatepass")
