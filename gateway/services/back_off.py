"""No calls to the exchange while it says that there are too many, by any replica."""

import asyncio
import math
from collections.abc import Callable

import structlog

from gateway.domain.errors import RateLimited
from gateway.store.back_off import BackOffStore, Pause
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_SHORTEST_S = 1.0
_LONGEST_STEP_S = 60.0
_LONGEST_S = 3600.0
_CALM_S = 60.0
"""After so long without a refusal the next pause is a short one again."""


class BackOff:
    """Pauses the fleet's calls when the exchange answers that there were too many (429).

    A pause is as long as the exchange says, from a second to an hour; where it says nothing, a
    second, and twice as long, up to a minute, each time that it refuses again after a pause.
    `monotonic` gives seconds that never go back.
    """

    def __init__(self, store: BackOffStore, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._until = -math.inf
        self._step = 0
        self._untold = False
        self._wake = asyncio.Event()

    @property
    def seconds_left(self) -> float:
        """How long the pause goes on; 0 if there is none."""
        return max(0.0, self._until - self._monotonic())

    @property
    def problem(self) -> str | None:
        """What to tell the operator."""
        if not (left := self.seconds_left):
            return None
        return f"the exchange refuses calls as too many; none for another {left:.1f} s"

    def check(self, *, cancel: bool = False) -> None:
        """Raise `RateLimited` while there is a pause; a cancel goes out all the same."""
        if not cancel and (left := self.seconds_left):
            raise RateLimited("calls to the exchange", math.ceil(left * 1000) / 1000)

    def hit(self, retry_after: float | None) -> None:
        """Begin a pause: the exchange has refused a call; `retry_after` (seconds) if it says so.

        What other calls that were under way bring back belongs to the same refusal, and can only
        make the pause longer.
        """
        now = self._monotonic()
        if now >= self._until:
            self._step = 1 if now >= self._until + _CALM_S else self._step + 1
        elif retry_after is None:
            return
        length = self._length(retry_after)
        if now + length > self._until:
            self._until, self._untold = now + length, True
            _log.warning("exchange.too_many", pause_s=round(length, 3), step=self._step)
            self._wake.set()

    async def run(self, every_s: float) -> None:
        """Tell the other replicas, and look each `every_s` seconds what they tell."""
        while True:
            try:
                await self._tell()
                self._follow(await self._store.current())
            except StoreUnavailable as away:
                # The pause holds in this replica; the others learn of it when Redis is back.
                _log.debug("back_off.not_shared", cause=away.cause)
            await self._next(every_s)

    def _length(self, retry_after: float | None) -> float:
        if retry_after is None:
            return min(2.0 ** (self._step - 1), _LONGEST_STEP_S)
        return min(max(retry_after, _SHORTEST_S), _LONGEST_S)

    async def _next(self, every_s: float) -> None:
        try:
            async with asyncio.timeout(every_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _tell(self) -> None:
        left_ms = math.ceil(self.seconds_left * 1000)
        if not (self._untold and left_ms):
            return
        # Before the await: a longer pause that begins during it is to be told again.
        self._untold = False
        try:
            await self._store.lengthen(Pause(left_ms, self._step))
        except StoreUnavailable:
            self._untold = True
            raise

    def _follow(self, told: Pause | None) -> None:
        if told is None:
            return
        if not self.seconds_left:
            _log.warning("exchange.too_many_elsewhere", pause_ms=told.left_ms, step=told.step)
        self._until = max(self._until, self._monotonic() + told.left_ms / 1000)
        self._step = max(self._step, told.step)
