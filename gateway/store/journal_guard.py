"""Whether the journal may have lost records of an account.

Each account has a guard, written with its records: the run id of the server that they are on, and
how many intents were begun in a generation. Another server, or fewer intents than this process was
told are recorded, mean a loss, and the account stays shut until somebody reopens it: that starts a
new generation on the server of now. Nobody notices by this what was lost before a process began,
on a server that went on under the same run id.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import structlog
from redis.asyncio import Redis

from gateway.store.journal_keys import guard_key
from gateway.store.journal_rules import loss_of
from gateway.store.redis import attempt

_log = structlog.get_logger(__name__)


class JournalGuard:
    """What this process knows of the data set behind the journal.

    `server` gives the run id of the server that it talks to. With `volatile`, nothing is compared.
    """

    def __init__(self, redis: Redis, *, server: Callable[[], str | None], volatile: bool) -> None:
        self._redis = redis
        self.server = server
        self.volatile = volatile
        self._seen: dict[str, tuple[int, int]] = {}
        self._shut: dict[str, str] = {}

    @property
    def shut(self) -> Mapping[str, str]:
        """The accounts that were last found quarantined, and why."""
        return MappingProxyType(self._shut)

    def terms(self, account: str) -> dict[str, Any]:
        """What the scripts compare with the account's guard."""
        generation, begun = self._seen.get(account, (0, 0))
        known = {"generation": generation, "begun": begun, "volatile": self.volatile}
        server = self.server()
        return known if server is None else {**known, "server": server}

    def begun(self, account: str, generation: int, begun: int) -> None:
        """Take note of an intent that is recorded for good."""
        self._seen[account] = max(self._seen.get(account, (0, 0)), (generation, begun))

    def found(self, account: str, reason: str | None) -> None:
        """Take note of whether the account is quarantined."""
        if reason is None:
            if self._shut.pop(account, None) is not None:
                _log.warning("journal.reopened", account=account)
        elif self._shut.get(account) != reason:
            self._shut[account] = reason
            _log.error("journal.quarantined", account=account, reason=reason)

    async def look(self, account: str) -> str | None:
        """Why the account is quarantined; None when it is not. Raises `StoreUnavailable`."""
        held = await self._held(account)
        why = None if self.volatile else self._loss(account, held)
        reason = None if why is None else loss_of(account, why).reason
        self.found(account, reason)
        return reason

    async def reopen(self, account: str, reason: str) -> None:
        """Begin a new generation on the server of now. Raises `StoreUnavailable`."""
        _, _, generation, _ = await self._held(account)
        seconds, micros = await attempt(self._redis.time)
        # By the clock as well: it is above those of a data set that this one knows nothing of.
        later = max(int(generation or 0) + 1, seconds * 1000 + micros // 1000)
        fields: dict[str, str | int] = {"generation": later, "begun": 0, "reopened": reason}
        if (server := self.server()) is not None:
            fields["server"] = server
        await attempt(lambda: self._rewrite(account, fields))
        self.found(account, None)

    async def _rewrite(self, account: str, fields: dict[str, str | int]) -> None:
        async with self._redis.pipeline() as together:
            together.hdel(guard_key(account), "quarantine", "server")
            together.hset(guard_key(account), mapping=cast("Any", fields))
            await together.execute()

    async def _held(self, account: str) -> list[bytes | None]:
        names = ["quarantine", "server", "generation", "begun"]
        # Awaitable in this client, whatever its type says of the other one.
        held = await attempt(lambda: cast("Any", self._redis.hmget(guard_key(account), names)))
        return cast("list[bytes | None]", held)

    def _loss(self, account: str, held: list[bytes | None]) -> str | None:
        quarantine, server, generation, begun = held
        if quarantine is not None:
            return quarantine.decode()
        if server is not None and server.decode() != self.server():
            return "SERVER"
        older = (int(generation or 0), int(begun or 0)) < self._seen.get(account, (0, 0))
        return "OLDER" if older else None
