"""How long a feed waits for what, and how it spreads its attempts."""

import random
from dataclasses import dataclass

_DOUBLINGS = 32
"""Enough to reach any cap, and far from an overflow."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks: `monotonic` in seconds for timers, `wall` in ms for events."""

    monotonic: float
    wall: int


@dataclass(frozen=True, slots=True)
class FeedTiming:
    """All in seconds. The exchange's document says nothing of these.

    `audit_every`: between two LIST_SUBSCRIPTIONS. `mute_after`: the silence after one of them that
    makes the connection mute. `ack_within`: an acknowledgement that takes longer has failed.
    `restart_every`: between two starts of a topic whose frames cannot be read.
    `retry_*`: before a failed SUBSCRIBE is sent again; `login_retry_*`: a failed USER_STREAMS.
    `backoff_*`: between two attempts to connect; a connection that lasted `stayed_up_after` starts
    them anew. `close_within` bounds a clean stop.
    """

    audit_every: float = 15.0
    mute_after: float = 10.0
    ack_within: float = 10.0
    restart_every: float = 5.0
    retry_base: float = 1.0
    retry_cap: float = 60.0
    login_retry_base: float = 30.0
    login_retry_cap: float = 900.0
    connect_timeout: float = 10.0
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    stayed_up_after: float = 30.0
    close_within: float = 2.0


def full_jitter(rng: random.Random, base: float, cap: float, failures: int) -> float:
    """Seconds to wait after `failures` (1 or more) in a row: anywhere up to a doubling bound."""
    return rng.uniform(0.0, min(cap, base * 2.0 ** min(failures - 1, _DOUBLINGS)))
