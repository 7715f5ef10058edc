"""The durable record of every order intent: what was asked for, and what became of it.

A record lives under its principal, account and client order id. Two kinds of pointers lead to
it: from the placement's id, and from the order id once the exchange gave one. All keys of an
account share one hash slot, and so does the one script that writes them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from redis.asyncio import Redis

from gateway.domain.errors import JournalUnavailable
from gateway.domain.orders import FOLLOWING, Placement, PlacementState, Rejection
from gateway.store.redis import StoreUnavailable, attempt, reach, read_all, run_script
from gateway.store.spool import Spool

_log = structlog.get_logger(__name__)

_DAY_MS = 86_400_000

_INTENTS = frozenset({PlacementState.RECEIVED, PlacementState.SENDING})
_OUTCOMES = frozenset(state for state, following in FOLLOWING.items() if not following)
# Late evidence may still turn NOT_PLACED into ACCEPTED, but not after the time that records keep.
_EXPIRING = _OUTCOMES | {PlacementState.NOT_PLACED}

# KEYS[1] is the record, the other keys are pointers to it. ARGV: the record, the placement's id,
# ms to keep it (0: for ever), 'begin' for an intent, and the states that it may follow. Answers
# with the record that stands in the way, or nothing. Running it twice is the same as once. A
# withdrawn intent was never sent and its caller was told to repeat it: a new one takes its place.
# MGET instead of GET: a key of a foreign type is no record, and must not block the spool.
_PUT = """
local standing = redis.call('MGET', KEYS[1])[1]
if standing then
  local readable, record = pcall(cjson.decode, standing)
  if not readable or type(record) ~= 'table' then return standing end
  if record.id == ARGV[2] then
    local follows = false
    for i = 5, #ARGV do follows = follows or record.state == ARGV[i] end
    if not follows then return standing end
  else
    local why = type(record.rejection) == 'table' and record.rejection.code
    local withdrawn = record.state == 'NOT_SENT' and why == 'JOURNAL_UNAVAILABLE'
    if ARGV[4] ~= 'begin' or not withdrawn then return standing end
  end
end
for i, key in ipairs(KEYS) do
  local value = i == 1 and ARGV[1] or KEYS[1]
  if ARGV[3] == '0' then redis.call('SET', key, value)
  else redis.call('SET', key, value, 'PX', ARGV[3]) end
end
return false
"""

_RECORDS = msgspec.json.Decoder(Placement)


def new_placement_id(account: str, random_bytes: Callable[[int], bytes]) -> str:
    """A fresh placement id: it carries its account, so that the id alone finds the record."""
    return f"{account}.{random_bytes(16).hex()}"


class OrderJournal:
    """The order journal. It always tries: nothing skips it while Redis seems to be away.

    `keep_ms`: how long a record outlives its outcome; without one it never expires.
    `spool_limit` and `retry_s` bound and pace what waits in memory while Redis is away. `problem`
    says what `watch` found wrong at its last look.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        keep_ms: int = 90 * _DAY_MS,
        spool_limit: int = 10_000,
        retry_s: float = 0.5,
    ) -> None:
        self._redis = redis
        self._keep_ms = keep_ms
        self._retry_s = retry_s
        self._spool = Spool(spool_limit)
        self.problem: str | None = None

    async def begin(self, placement: Placement) -> Placement:
        """Record an intent, unless one stands for its principal, account and client order id.

        One that was withdrawn, because writing it was not certain, does not count as standing.
        Returns the record that stands: the intent is the caller's to send only when that equals
        `placement`, whose id must be fresh. Raises `JournalUnavailable` when that is not certain;
        then nothing may be sent, and should the record have been written after all, it becomes
        NOT_SENT.
        """
        if _account_of(placement.id) != placement.command.account:
            message = "the placement's id must come from new_placement_id"
            raise ValueError(message)
        waiting = self._waiting_for(_identity(placement))
        if waiting is not None:
            return waiting
        try:
            await attempt(lambda: reach(self._redis))
        except StoreUnavailable as away:
            raise JournalUnavailable from away
        return await self._begin(placement)

    async def finish(self, placement: Placement) -> Placement:
        """Record what became of an intent, by `FOLLOWING`; return the record that stands.

        What may not follow the standing state is refused and logged. While Redis is away the
        record waits in memory, and `run` writes it. Intents are refused with `ValueError`: they
        must be durable before anything is sent, and this method does not promise that.
        """
        if placement.state in _INTENTS:
            message = f"{placement.state} is an intent: record it with begin"
            raise ValueError(message)
        if len(self._spool):
            # Redis is known to be away, and what was decided first must be written first.
            return self._defer(placement)
        try:
            return await self._settle(placement)
        except StoreUnavailable:
            return self._defer(placement)
        except asyncio.CancelledError:
            self._defer(placement)
            raise

    async def run(self) -> None:
        """Write what waits in memory, oldest first, for ever."""
        while True:
            placement = await self._spool.first()
            try:
                await self._settle(placement)
            except StoreUnavailable:
                await asyncio.sleep(self._retry_s)
                continue
            self._spool.drop_first()
            if not len(self._spool):
                _log.info("journal.caught_up")

    async def watch(self, every_s: float) -> None:
        """Look at Redis every `every_s` seconds, for ever; `problem` says what is wrong."""
        while True:
            problem = " ".join(await self.inspect()) or None
            if problem != self.problem:
                _log.warning("journal.problem", problem=problem or "none any more")
            self.problem = problem
            await asyncio.sleep(every_s)

    async def caught_up(self) -> None:
        """Wait until `run` has written everything: a graceful stop gives it some seconds."""
        await self._spool.empty()

    def pending(self) -> int:
        """How many records wait in memory to be written."""
        return len(self._spool)

    async def get(self, placement_id: str) -> Placement | None:
        """The placement with this id. Raises `JournalUnavailable`, as all readers here do."""
        waiting = self._spool.get(placement_id)
        if waiting is not None:
            return waiting
        pointer = _key(_account_of(placement_id), "id", placement_id)
        (record,) = await self._read([pointer])
        return None if record is None else await self._record(record)

    async def find(self, principal: str, account: str, client_order_id: str) -> Placement | None:
        """The placement that stands for this principal, account and client order id."""
        waiting = self._waiting_for((principal, account, client_order_id))
        if waiting is not None:
            return waiting
        return await self._record(_record_key(principal, account, client_order_id))

    async def of_orders(self, account: str, order_ids: Sequence[str]) -> dict[str, Placement]:
        """The placements by the ids of the orders that they placed; others are left out."""
        pointers = await self._read([_key(account, "order", order_id) for order_id in order_ids])
        pairs = zip(order_ids, pointers, strict=True)
        records = {order_id: key for order_id, key in pairs if key is not None}
        found = zip(records, await self._read(list(records.values())), strict=True)
        placements = {order_id: _decode(raw) for order_id, raw in found if raw is not None}
        return placements | self._waiting_of(account, frozenset(order_ids))

    async def inspect(self) -> list[str]:
        """What would let Redis lose records, one sentence each; empty when nothing would."""
        try:
            server: dict[str, Any] = await attempt(self._redis.info, tries=2)
        except StoreUnavailable as away:
            return [f"The order journal's Redis cannot be asked how durable it is: {away}."]
        warnings = []
        if (policy := server.get("maxmemory_policy")) != "noeviction":
            warnings.append(
                f"The order journal's Redis may evict records when its memory is full: "
                f"set maxmemory-policy to noeviction (it is {policy})."
            )
        if not server.get("aof_enabled"):
            warnings.append(
                "The order journal's Redis loses the last records when it stops: "
                "set appendonly to yes."
            )
        return warnings

    async def _begin(self, placement: Placement) -> Placement:
        try:
            standing = await self._put(placement, after=frozenset())
        except StoreUnavailable as lost:
            self._withdraw(placement)
            raise JournalUnavailable from lost
        except asyncio.CancelledError:
            self._withdraw(placement)
            raise
        return placement if standing is None else _decode(standing)

    def _withdraw(self, placement: Placement) -> None:
        """See to it that an intent which may have been recorded is not taken for sent."""
        if placement.state in _INTENTS:
            reason = JournalUnavailable()
            rejection = Rejection(code=reason.code, message=str(reason), retryable=True)
            placement = replace(placement, state=PlacementState.NOT_SENT, rejection=rejection)
        self._defer(placement)

    async def _settle(self, placement: Placement) -> Placement:
        after = frozenset(s for s, following in FOLLOWING.items() if placement.state in following)
        raw = await self._put(placement, after)
        if raw is None:
            return placement
        try:
            standing = _decode(raw)
        except JournalUnavailable:
            return placement
        if standing != placement:
            _refused(placement, standing)
        return standing

    def _defer(self, placement: Placement) -> Placement:
        known = self._spool.get(placement.id)
        if known is not None and placement.state not in FOLLOWING[known.state]:
            _refused(placement, known)
            return known
        if not len(self._spool):
            _log.warning("journal.away")
        if not self._spool.put(placement):
            # The record in Redis stays SENDING, and its lease makes its outcome unknown.
            _log.critical("journal.spool_full", placement=placement.id, state=placement.state)
        return placement

    async def _put(self, placement: Placement, after: frozenset[PlacementState]) -> bytes | None:
        keys = _keys(placement)
        keep_ms = self._keep_ms if placement.state in _EXPIRING else 0
        step = "begin" if placement.state in _INTENTS else "finish"
        values = (msgspec.json.encode(placement), placement.id, keep_ms, step, *sorted(after))
        standing: bytes | None = await attempt(lambda: run_script(self._redis, _PUT, keys, values))
        return standing

    async def _record(self, key: str | bytes) -> Placement | None:
        (raw,) = await self._read([key])
        return None if raw is None else _decode(raw)

    async def _read(self, keys: Sequence[str | bytes]) -> list[bytes | None]:
        if not keys:
            return []
        try:
            return await attempt(lambda: read_all(self._redis, keys), tries=2)
        except StoreUnavailable as away:
            raise JournalUnavailable from away

    def _waiting_for(self, identity: tuple[str, str, str]) -> Placement | None:
        return next((p for p in self._spool.latest() if _identity(p) == identity), None)

    def _waiting_of(self, account: str, order_ids: frozenset[str]) -> dict[str, Placement]:
        return {
            placement.order.order_id: placement
            for placement in self._spool.latest()
            if placement.command.account == account
            and placement.order is not None
            and placement.order.order_id in order_ids
        }


def _identity(placement: Placement) -> tuple[str, str, str]:
    command = placement.command
    return placement.principal, command.account, command.client_order_id


def _account_of(placement_id: str) -> str:
    return placement_id.rpartition(".")[0]


def _key(account: str, *parts: str) -> str:
    # The braces make the account the hash slot.
    return f"ngw:1:journal:{{{_quoted(account)}}}:" + ":".join(map(_quoted, parts))


def _quoted(part: str) -> str:
    # Keeps parts from running together. An id may come from anyone, half a surrogate pair in it.
    return quote(part, safe="", errors="surrogatepass")


def _record_key(principal: str, account: str, client_order_id: str) -> str:
    return _key(account, "record", principal, client_order_id)


def _keys(placement: Placement) -> list[str]:
    account = placement.command.account
    keys = [_record_key(*_identity(placement)), _key(account, "id", placement.id)]
    if placement.order is not None and placement.order.order_id is not None:
        keys.append(_key(account, "order", placement.order.order_id))
    return keys


def _decode(raw: bytes) -> Placement:
    """Read a record. A corrupt one is not absent: nothing may be sent in its place."""
    try:
        return _RECORDS.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        _log.exception("journal.corrupt_record")
        raise JournalUnavailable from error


def _refused(placement: Placement, standing: Placement) -> None:
    _log.warning(
        "journal.transition_refused",
        placement=placement.id,
        wanted=placement.state,
        standing=standing.id,
        state=standing.state,
    )
