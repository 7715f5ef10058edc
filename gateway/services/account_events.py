"""Following what happens on an account, for any number of followers, from any event on.

What waits for a follower waits in Redis, not in memory: a slow one costs nothing, until what it has
not read yet is no longer kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from itertools import takewhile
from weakref import WeakValueDictionary

import structlog

from gateway.domain.account_events import AccountEvent
from gateway.domain.errors import NotLookedUp
from gateway.domain.streams import Gap
from gateway.store.account_events import AccountEventStore
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_CHUNK = 500
_KEPT = 1_000

_NO_LONGER_KEPT = "the events in between are no longer kept"
_TOLD_ANEW = "the account's events were lost, or are counted anew"


class AccountEvents:
    """The events of all accounts. One reader for each account that somebody follows here.

    `every_s`: seconds between two looks for new ones.
    """

    def __init__(self, store: AccountEventStore, *, every_s: float = 0.1) -> None:
        self._store = store
        self._every_s = every_s
        self._tails: WeakValueDictionary[str, _Tail] = WeakValueDictionary()

    async def follow(
        self, account: str, after: int | None = None
    ) -> AsyncGenerator[AccountEvent | Gap]:
        """Every event behind number `after`, or from now on; it never ends by itself.

        Where events are missing a `Gap` comes in their place, since the last one that was told
        (0: since ever), and after it what there is. While Redis is away nothing comes, and later
        nothing is missing; but to begin with, that raises `NotLookedUp`.
        """
        tail, newest = await self._tail(account)
        at, since, turns = newest if after is None else after, 0, tail.turns
        if at > newest:
            yield Gap(since, _TOLD_ANEW)
            at = newest
        while True:
            events = await tail.behind(at)
            if tail.turns != turns:
                yield Gap(since, _TOLD_ANEW)
                at, turns = tail.turned_at, tail.turns
                continue
            for event in events:
                if event.sequence != at + 1:
                    yield Gap(since, _NO_LONGER_KEPT)
                yield event
                at, since = event.sequence, event.time

    async def _tail(self, account: str) -> tuple["_Tail", int]:
        """The reader of an account, and the number of the newest event as of now."""
        try:
            _, newest = await self._store.bounds(account)
            tail = self._tails.get(account)
            if tail is None:
                begin = await self._store.read(account, newest - 1, 1) if newest else ()
                tail = _Tail(self._store, account, begin, self._every_s)
        except StoreUnavailable as away:
            raise NotLookedUp from away
        return self._tails.setdefault(account, tail), newest


class _Tail:
    """Reads an account's newest events for all who follow it here, while one of them waits.

    `turns` counts how often events that had been read were found gone, or others in their place,
    as after a restore of Redis; they go on behind number `turned_at`. `begin`: the newest of them.
    """

    def __init__(
        self,
        store: AccountEventStore,
        account: str,
        begin: Sequence[AccountEvent],
        every_s: float,
    ) -> None:
        self._store = store
        self._account = account
        self._every_s = every_s
        self._recent = deque(begin, maxlen=_KEPT)
        self._at = begin[-1].sequence if begin else 0
        self._looking = asyncio.Lock()
        self._away = False
        self.turns = 0
        self.turned_at = self._at

    async def behind(self, at: int) -> Sequence[AccountEvent]:
        """Some events behind number `at`, in order, once there are any; none after a turn."""
        turns = self.turns
        while self.turns == turns:
            found = self._remembered(at) or (await self._read(at) if at < self._at else None)
            if found:
                return found
            # Who of the followers comes first looks for all; the others find what it found.
            async with self._looking:
                if self.turns == turns and not self._remembered(at):
                    await asyncio.sleep(self._every_s)
                    await self._look()
        return ()

    def _remembered(self, at: int) -> Sequence[AccountEvent]:
        """All behind number `at`, if the one next to it is still at hand."""
        if not self._recent or at + 1 < self._recent[0].sequence:
            return ()
        found = list(takewhile(lambda event: event.sequence > at, reversed(self._recent)))
        return found[::-1]

    async def _look(self) -> None:
        # The newest one known is read once more, to see that it still is what it was.
        found = await self._read(self._at - 1 if self._at else None)
        if found is None:
            return
        if self._at and not (found and self._goes_on_with(found[0])):
            await self._turn()
            return
        for event in found:
            if event.sequence > self._at:
                self._recent.append(event)
                self._at = event.sequence

    def _goes_on_with(self, event: AccountEvent) -> bool:
        unchanged = not self._recent or event == self._recent[-1]
        return event.sequence > self._at or unchanged

    async def _turn(self) -> None:
        try:
            _, newest = await self._store.bounds(self._account)
        except StoreUnavailable:
            return
        _log.error("account_events.turned", account=self._account, read=self._at, newest=newest)
        self._recent.clear()
        self._at = self.turned_at = newest
        self.turns += 1

    async def _read(self, after: int | None) -> Sequence[AccountEvent] | None:
        """Some events behind a number; None while Redis is away."""
        try:
            found = await self._store.read(self._account, after, _CHUNK)
        except StoreUnavailable as away:
            if not self._away:
                _log.warning("account_events.away", account=self._account, cause=away.cause)
            self._away = True
            return None
        if self._away:
            _log.info("account_events.back", account=self._account)
        self._away = False
        return found
