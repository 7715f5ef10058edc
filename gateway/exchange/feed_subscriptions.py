"""Where each topic of one feed stands: wanted, requested, confirmed, started, leaving."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.domain.streams import Topic, TopicKind
from gateway.exchange.feed_timing import FeedTiming, Instant, full_jitter

ACCOUNT = Topic(TopicKind.ACCOUNT)


class Phase(Enum):
    """What the exchange was asked about a topic on this connection, and what it answered."""

    REQUESTED = auto()
    CONFIRMED = auto()
    LEAVING = auto()


@dataclass(slots=True)
class _Standing:
    """`due`: when the awaited acknowledgement is overdue. `whole_at` (ms): last known whole.

    `start_at`: not to be started before. `restart_at`: nor, after the next restart, before this.
    """

    phase: Phase
    due: float
    whole_at: int = 0
    started: bool = False
    start_at: float = 0.0
    restart_at: float = 0.0


@dataclass(slots=True)
class _Retry:
    failures: int
    at: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What closes the distance between wanted and confirmed.

    Each batch of `join` is one request; `leave` is one. `started` passes updates on from now.
    """

    join: list[list[Topic]]
    leave: list[Topic]
    started: list[Topic]


class Subscriptions:
    """For each topic one request is in flight at most, and only an acknowledgement confirms it.

    A topic that failed waits, longer each time and across connections, and is then asked for
    alone, so that it cannot take others with it.
    """

    def __init__(self, timing: FeedTiming, rng: random.Random) -> None:
        self._timing = timing
        self._rng = rng
        self._wanted: dict[Topic, None] = {}
        self._standings: dict[Topic, _Standing] = {}
        self._retries: dict[Topic, _Retry] = {}

    @property
    def wanted(self) -> frozenset[Topic]:
        """What was asked for, confirmed or not."""
        return frozenset(self._wanted)

    @property
    def started(self) -> frozenset[Topic]:
        """The topics whose updates are passed on."""
        return frozenset(topic for topic in self._standings if self.is_started(topic))

    def in_phase(self, phase: Phase) -> frozenset[Topic]:
        """The topics that stand at `phase` on this connection."""
        return frozenset(
            topic for topic, standing in self._standings.items() if standing.phase is phase
        )

    def is_absent(self, topic: Topic) -> bool:
        """True when nothing was asked about `topic`, or it failed, or it was left."""
        return topic not in self._standings

    def is_started(self, topic: Topic) -> bool:
        """True while updates of `topic` are passed on."""
        standing = self._standings.get(topic)
        return standing is not None and standing.started

    def want(self, topic: Topic) -> None:
        """Ask for `topic` from the next `reconcile` on."""
        self._wanted.setdefault(topic)

    def unwant(self, topic: Topic) -> None:
        """Ask for `topic` no longer; its updates end now."""
        self._wanted.pop(topic, None)
        if standing := self._standings.get(topic):
            standing.started = False

    def reconcile(self, at: Instant) -> Changes:
        """Mark and return what is to be requested, left, and started now."""
        due = at.monotonic + self._timing.ack_within
        join = [topic for topic in self._wanted if self._may_join(topic, at.monotonic)]
        self._standings |= {topic: _Standing(Phase.REQUESTED, due) for topic in join}
        confirmed = self.in_phase(Phase.CONFIRMED)
        # The document knows no request that ends the account's stream.
        leave = [topic for topic in confirmed if topic not in self._wanted and topic != ACCOUNT]
        self.leave(leave, at)
        started = [
            topic
            for topic in self._wanted
            if topic in confirmed and at.monotonic >= self._waits_until(topic)
        ]
        for topic in started:
            self._standings[topic].started = True
            self._standings[topic].whole_at = at.wall
        return Changes(self._batches(join), leave, started)

    def leave(self, topics: Iterable[Topic], at: Instant) -> None:
        """Mark that the end of `topics` is asked for."""
        due = at.monotonic + self._timing.ack_within
        self._standings |= {topic: _Standing(Phase.LEAVING, due) for topic in topics}

    def restart(self, topic: Topic, now: float) -> None:
        """End the updates of `topic`; `reconcile` starts it again, `restart_every` at most."""
        standing = self._standings[topic]
        standing.started = False
        standing.start_at = standing.restart_at
        standing.restart_at = max(now, standing.start_at) + self._timing.restart_every

    def confirm(self, topic: Topic) -> None:
        """The exchange acknowledged `topic`, perhaps late."""
        standing = self._standings.get(topic)
        if standing is None or standing.phase is Phase.REQUESTED:
            self._standings[topic] = _Standing(Phase.CONFIRMED, 0.0)
            self._retries.pop(topic, None)

    def fail(self, topics: Iterable[Topic], now: float) -> None:
        """What was asked about `topics` failed; those that are wanted wait for their next turn."""
        for topic in topics:
            if self._standings.pop(topic).phase is Phase.REQUESTED:
                self._retries[topic] = self._next_retry(topic, now)

    def drop(self, topics: Iterable[Topic]) -> int | None:
        """The exchange has not (any more) `topics`.

        Return the time (ms) until which those that were started are known whole, None if none was.
        """
        gone = [self._standings.pop(topic) for topic in topics if topic in self._standings]
        return min((standing.whole_at for standing in gone if standing.started), default=None)

    def whole(self, topics: Iterable[Topic], wall: int) -> None:
        """Note that `topics` are known whole at `wall` (ms)."""
        for topic in topics:
            if standing := self._standings.get(topic):
                standing.whole_at = max(standing.whole_at, wall)

    def overdue(self, now: float) -> list[Topic]:
        """The topics whose acknowledgement did not come in time."""
        return [
            topic
            for topic, standing in self._standings.items()
            if standing.phase is not Phase.CONFIRMED and now >= standing.due
        ]

    def disconnect(self) -> None:
        """Forget the connection, but not which topics failed how often."""
        self._standings.clear()

    def forgive(self, topic: Topic) -> None:
        """Forget how often `topic` failed, and wait for it no longer."""
        self._retries.pop(topic, None)

    def next_deadline(self) -> float:
        """The monotonic time of the next overdue acknowledgement or retry; infinite if none."""
        awaited = [
            standing.due
            for standing in self._standings.values()
            if standing.phase is not Phase.CONFIRMED
        ]
        retries = [
            retry.at
            for topic, retry in self._retries.items()
            if topic in self._wanted and topic not in self._standings
        ]
        restarts = [self._waits_until(topic) for topic in self._wanted if topic in self._standings]
        return min([*awaited, *retries, *restarts], default=float("inf"))

    def _waits_until(self, topic: Topic) -> float:
        """When a confirmed topic may be started; infinite for one that is started already."""
        standing = self._standings[topic]
        waits = standing.phase is Phase.CONFIRMED and not standing.started
        return standing.start_at if waits else float("inf")

    def _may_join(self, topic: Topic, now: float) -> bool:
        retry = self._retries.get(topic)
        return topic not in self._standings and (retry is None or now >= retry.at)

    def _batches(self, topics: list[Topic]) -> list[list[Topic]]:
        alone = [topic for topic in topics if topic in self._retries or topic == ACCOUNT]
        together = [topic for topic in topics if topic not in alone]
        return [batch for batch in (together, *([topic] for topic in alone)) if batch]

    def _next_retry(self, topic: Topic, now: float) -> _Retry:
        before = self._retries.get(topic)
        failures = 1 if before is None else before.failures + 1
        base, cap = self._timing.retry_base, self._timing.retry_cap
        if topic == ACCOUNT:
            base, cap = self._timing.login_retry_base, self._timing.login_retry_cap
        return _Retry(failures, now + full_jitter(self._rng, base, cap, failures))
