"""Whether the journal may have lost records of an account.

Each account has a guard, written with its records: the run id of the server that they are on, and
how many intents were begun in a generation. Another server, fewer intents than this process has
seen, no guard at all where it saw one, or a generation that nobody opened mean a loss. Whoever
finds one shuts the account for all, until somebody reopens it: that starts a new generation on the
server of now.

What no living process has seen, nobody misses. When an emptied Redis takes the place of the
journal's while no gateway runs, or an account loses its very first records before any process but
their sender looked at it, and that one is gone, the account looks like a new one.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.store.journal_keys import guard_key
from gateway.store.journal_rules import loss_of
from gateway.store.journal_scripts import GUARD
from gateway.store.redis import attempt, reach, run_script

_log = structlog.get_logger(__name__)

_NOTHING = (0, 0)


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
        generation, begun = self._seen.get(account, _NOTHING)
        known = {"generation": generation, "begun": begun, "volatile": self.volatile}
        server = self.server()
        return known if server is None else {**known, "server": server}

    def saw(self, account: str, standing: Sequence[int]) -> None:
        """Take note of how far a data set that is whole has come: its generation, and its count."""
        generation, begun = standing
        self._seen[account] = max(self._seen.get(account, _NOTHING), (generation, begun))

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
        await attempt(lambda: reach(self._redis))  # so that the server is known that is asked
        terms = msgspec.json.encode(self.terms(account))
        why, standing = await attempt(
            lambda: run_script(self._redis, GUARD, [guard_key(account)], [terms]), tries=2
        )
        reason = loss_of(account, why.decode()).reason if why else None
        if reason is None:
            self.saw(account, standing)
        self.found(account, reason)
        return reason

    async def reopen(self, account: str, reason: str) -> None:
        """Begin a new generation on the server of now. Raises `StoreUnavailable`."""
        generation = await attempt(
            # Awaitable in this client, whatever its type says of the other one.
            lambda: cast("Any", self._redis.hget(guard_key(account), "generation"))
        )
        known, _ = self._seen.get(account, _NOTHING)
        seconds, micros = await attempt(self._redis.time)
        # By the clock as well: it is above those of a data set that this one knows nothing of.
        later = max(int(generation or 0) + 1, known + 1, seconds * 1000 + micros // 1000)
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
