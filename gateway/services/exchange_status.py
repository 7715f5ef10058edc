"""How the exchange is doing, as far as this process can tell."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from gateway.domain.errors import ExchangeFailure
from gateway.domain.streams import FeedState
from gateway.exchange import ExchangeClient, ExchangeClock, Feed
from gateway.services.single_flight import SingleFlight

_log = structlog.get_logger(__name__)

_FRESH_MS = 1000
_AGAIN_S = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reachability:
    """`server_time` (ms) and `offset_ms`, the exchange's clock minus ours; None when unknown."""

    reachable: bool
    server_time: int | None
    offset_ms: int | None
    feed: FeedState


class ExchangeStatus:
    """Knows whether the exchange's REST answers: it is asked for its time now and then.

    `read` asks at most once in `_FRESH_MS`, however many callers ask.
    """

    def __init__(
        self,
        exchange: ExchangeClient,
        clock: ExchangeClock,
        feed: Feed,
        now: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._feed = feed
        self._now = now
        self._reads: SingleFlight[None, int | None] = SingleFlight()
        self._asked_at = 0
        self._answer: int | None = None
        self._away_since: int | None = None
        self._problem: str | None = None
        self._failed = asyncio.Event()

    @property
    def problem(self) -> str | None:
        """Since when the exchange's REST has not answered, and why; None while it does."""
        return self._problem

    @property
    def feed(self) -> FeedState:
        """The state of the public stream."""
        return self._feed.state

    async def read(self) -> Reachability:
        """Whether the exchange answers, what its clock says, and how its stream is doing."""
        if abs(self._now() - self._asked_at) >= _FRESH_MS:
            self._answer = await self._reads.join(None, self._ask)
        since = self._now() - self._asked_at
        return Reachability(
            reachable=self._answer is not None,
            server_time=None if self._answer is None else self._answer + since,
            offset_ms=self._clock.offset_ms,
            feed=self.feed,
        )

    async def follow(self, every_s: float) -> None:
        """Read the exchange's clock every `every_s` seconds.

        And again soon after any failure, and while what was read tells the time roughly only: what
        is signed by a time that is too far behind, the exchange refuses.
        """
        while True:
            self._failed.clear()
            await self._noted(self._exchange.synchronise_clock())
            wait_s = min(every_s, _AGAIN_S) if self._clock.rough else every_s
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._failed.wait()
                    await asyncio.sleep(_AGAIN_S)

    async def _ask(self) -> int | None:
        answer = await self._noted(self._exchange.server_time())
        self._asked_at = self._now()
        return answer

    async def _noted(self, call: Awaitable[T]) -> T | None:
        try:
            answer = await call
        except ExchangeFailure as failure:
            self._note_failure(failure)
            return None
        if self._away_since is not None:
            _log.info("exchange.back", away_ms=self._now() - self._away_since)
            self._away_since = self._problem = None
        return answer

    def _note_failure(self, failure: ExchangeFailure) -> None:
        self._failed.set()
        if self._away_since is None:
            self._away_since = self._now()
            _log.warning("exchange.away", problem=str(failure))
        since = datetime.fromtimestamp(self._away_since // 1000, UTC).isoformat()
        self._problem = f"no answer of its REST since {since}: {failure}"
