"""One limit as this process sees it: permits that it has taken ahead, and what is left."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from gateway.domain.errors import RateLimited
from gateway.domain.limits import LimitState, Rate
from gateway.store.rates import RateStore, Usage

_PARTS = 20
"""A batch is this part of the limit at most: so much may lie unused in each replica."""
_LONGEST_HOLD_S = 1.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time of day in ms, and seconds that never go back."""

    wall_ms: Callable[[], int]
    monotonic: Callable[[], float]


class Allowance:
    """A rate by its `name` and its key in the store; `cap` of it is for all but cancels.

    Permits are taken in batches, so that not each one costs a round trip. What is not spent in a
    tenth of the rate's span, or a second, is lost. So a batch is twice the one before if that was
    used up by then, else what was spent of it: who asks now and then loses none.
    """

    def __init__(
        self, name: str, key: str, rate: Rate, cap: int, store: RateStore, clocks: Clocks
    ) -> None:
        self._name = name
        self._key = f"{key}:{rate.per_s}"
        self._rate = rate
        self._cap = cap
        self._store = store
        self._clocks = clocks
        self._hold_s = min(rate.per_s / 10, _LONGEST_HOLD_S)
        self._largest_batch = max(1, cap // _PARTS)
        self._batch = 1
        self._permits = 0
        self._good_until = 0.0
        self._refused_until = 0.0
        self._usage = Usage(rate.per_s, 0, 0.0, 0, 0.0)
        self._counted = 0
        self._whole_at = 0.0
        self._resets_at = 0
        self._whole = LimitState(name, Decimal(cap), Decimal(cap), None, rate.per_s)
        self._taking = asyncio.Lock()

    async def take(self) -> None:
        """Take one; raise `RateLimited` if none is left."""
        if self._spend():
            return
        async with self._taking:
            if not self._spend():
                await self._take_batch()

    async def take_for_cancel(self) -> None:
        """Take one, out of the share of cancels if need be; raise `RateLimited` if none is left."""
        if not self._spend() and not await self._take(1, cap=self._rate.count):
            raise self._refusal(self._usage.room_in(self._rate.count))

    async def count(self) -> None:
        """Count one more if one is left; the share of cancels stays whole."""
        if not self._spend():
            await self._take(1, cap=self._cap)

    def state(self) -> LimitState:
        """What is left for all but cancels, as far as this process knows."""
        now = self._clocks.monotonic()
        if now >= self._whole_at:
            return self._whole
        unspent = self._permits if now < self._good_until else 0
        remaining = Decimal(min(self._cap, max(0, self._cap - self._counted + unspent)))
        whole = self._whole
        return LimitState(whole.name, whole.limit, remaining, self._resets_at, whole.per_s)

    def _spend(self) -> bool:
        if self._permits == 0 or self._clocks.monotonic() >= self._good_until:
            return False
        self._permits -= 1
        return True

    async def _take_batch(self) -> None:
        if (wait := self._refused_until - self._clocks.monotonic()) > 0:
            raise self._refusal(wait)
        used_up = self._permits == 0 and self._clocks.monotonic() < self._good_until
        wanted = 2 * self._batch if used_up else self._batch - self._permits
        self._batch, self._permits = max(1, min(self._largest_batch, wanted)), 0
        if not await self._take(self._batch, cap=self._cap):
            await self._take_last()
        self._permits = self._batch - 1
        self._good_until = self._clocks.monotonic() + self._hold_s

    async def _take_last(self) -> None:
        """Take one, where so many as a batch are not left."""
        refused = self._batch == 1
        self._batch = 1
        if refused or not await self._take(1, cap=self._cap):
            wait = self._usage.room_in(self._cap)
            self._refused_until = self._clocks.monotonic() + wait
            raise self._refusal(wait)

    async def _take(self, quantity: int, *, cap: int) -> bool:
        taken = await self._store.take(self._key, self._rate, quantity, cap=cap)
        self._usage, self._counted = taken.usage, taken.usage.count
        whole_in = taken.usage.whole_in
        self._whole_at = self._clocks.monotonic() + whole_in
        self._resets_at = self._clocks.wall_ms() + math.ceil(whole_in * 1000)
        return taken.granted

    def _refusal(self, wait: float) -> RateLimited:
        # Rounded up, and never 0: who comes back after it finds room.
        return RateLimited(self._name, (math.ceil(wait * 1000) + 1) / 1000)
