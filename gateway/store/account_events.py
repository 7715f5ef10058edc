"""What happens on an account, in a Redis stream: numbered without a hole, the newest of it kept.

An entry's id is its event's number. The journal's scripts append what becomes of placements; all
else is appended by who leads the account.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.account_events import AccountEvent
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.streams import Gap
from gateway.store.journal_keys import events_key, guard_key
from gateway.store.leases import leader_key
from gateway.store.redis import attempt, run_script

_log = structlog.get_logger(__name__)

_EVENTS = msgspec.json.Decoder(AccountEvent)

_APPEND = """-- account-events.append
local owner, epoch = unpack(redis.call('HMGET', KEYS[1], 'owner', 'epoch'))
if owner ~= ARGV[1] or epoch ~= ARGV[2] then return false end
if redis.call('HGET', KEYS[2], 'batch') == ARGV[3] then return 1 end
redis.call('HSET', KEYS[2], 'batch', ARGV[3])
for i = 5, #ARGV do
  local sequence = string.format('%.0f', redis.call('HINCRBY', KEYS[2], 'sequence', 1))
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], sequence .. '-0', 'event', ARGV[i])
end
return 1
"""
"""Append events if this owner leads, by this epoch; nothing when it does not. Running it twice in a
row is as once.

KEYS: the leader, the guard, the stream. ARGV: owner, epoch, the batch's name, how many to keep, and
the events. The guard counts the account's events in its field `sequence`.
"""


def event_text(event: AccountEvent) -> bytes:
    """An event as it stands in the stream's field `event`; its number is the entry's id."""
    return msgspec.json.encode(event)


class AccountEventStore:
    """The events of all accounts, about `most` of each. Everything here raises `StoreUnavailable`.

    One task at a time appends for an account.
    """

    def __init__(self, redis: Redis, most: int) -> None:
        self._redis = redis
        self._most = most
        self._batches = itertools.count(1)

    async def append(self, leadership: Leadership, events: Sequence[AccountEvent]) -> None:
        """Append events in their order, all or none; their numbers are given to them here.

        Raises `Fenced` when another leadership has begun.
        """
        account, owner, epoch = leadership.account, leadership.owner, leadership.epoch
        keys = (leader_key(account), guard_key(account), events_key(account))
        batch = f"{owner}/{epoch}/{next(self._batches)}"
        values = (owner, epoch, batch, self._most, *map(event_text, events))
        done = await attempt(lambda: run_script(self._redis, _APPEND, keys, values), tries=2)
        if done is None:
            raise Fenced(account)

    async def read(self, account: str, after: int | None, most: int) -> tuple[AccountEvent, ...]:
        """Up to `most` events behind number `after`, or from the oldest kept on, in order.

        In the place of one that cannot be read stands a gap.
        """
        start = "-" if after is None else f"({after}-0"
        key = events_key(account)
        entries = await attempt(lambda: self._redis.xrange(key, start, "+", most), tries=2)
        return tuple(_event(account, entry) for entry in entries or ())

    async def bounds(self, account: str) -> tuple[int, int]:
        """The numbers of the oldest event kept and of the newest; (1, 0) when there is none."""
        key = events_key(account)
        oldest = await attempt(lambda: self._redis.xrange(key, "-", "+", 1), tries=2)
        newest = await attempt(lambda: self._redis.xrevrange(key, "+", "-", 1), tries=2)
        if not oldest or not newest:
            return 1, 0
        return _number(oldest[0]), _number(newest[0])


def _number(entry: Any) -> int:  # noqa: ANN401 - redis-py's types say no more
    return int(entry[0].partition(b"-")[0])


def _event(account: str, entry: Any) -> AccountEvent:  # noqa: ANN401 - as above
    sequence = _number(entry)
    try:
        event = _EVENTS.decode(entry[1][b"event"])
    except (msgspec.MsgspecError, ValueError, KeyError):
        _log.exception("account_events.corrupt", account=account, sequence=sequence)
        gap = Gap(0, "the record of this event cannot be read")
        return AccountEvent(sequence=sequence, time=0, gap=gap)
    return replace(event, sequence=sequence)
