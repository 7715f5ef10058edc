import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import NotSent
from gateway.exchange.clock import ExchangeClock

START = 1_700_000_000_000


class Machine:
    """A machine whose clocks a test sets: a monotonic one in seconds, a wall clock in ms."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.wall = START

    def clock(self, lifetime: float = 3600.0) -> ExchangeClock:
        return ExchangeClock(lambda: self.wall, lambda: self.elapsed, lifetime)

    def sample(self, clock: ExchangeClock, server: int, there: float, back: float) -> None:
        """Ask a server whose clock stands at `server` when the question arrives."""

        async def fetch() -> int:
            self.elapsed += there + back
            return server

        asyncio.run(clock.synchronise(fetch))


SECONDS = st.integers(0, 40_000).map(lambda steps: steps / 1024)
SAMPLES = st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=12)


@given(SAMPLES, SECONDS)
def test_the_estimate_is_never_ahead_of_the_exchange_whatever_the_delays(
    samples: list[tuple[float, float, float]], later: float
) -> None:
    machine = Machine()
    clock = machine.clock()
    for pause, there, back in samples:
        machine.elapsed += pause
        machine.sample(clock, START + int((machine.elapsed + there) * 1000), there, back)
    machine.elapsed += later
    now = clock.now()
    assert now is not None
    assert now <= START + machine.elapsed * 1000


@given(SAMPLES)
def test_the_estimate_is_behind_by_no_more_than_the_shortest_recent_round_trip(
    samples: list[tuple[float, float, float]],
) -> None:
    machine = Machine()
    clock = machine.clock()
    for pause, there, back in samples:
        machine.elapsed += pause
        machine.sample(clock, START + int((machine.elapsed + there) * 1000), there, back)
    shortest = min(there + back for _, there, back in samples[-8:])
    now = clock.now()
    assert now is not None
    assert now >= START + (machine.elapsed - shortest) * 1000 - 2


def test_nothing_is_known_before_the_first_sample() -> None:
    clock = Machine().clock()
    assert clock.now() is None
    assert clock.offset_ms is None


def test_the_estimate_goes_on_with_the_monotonic_clock_whatever_the_wall_clock_does() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.sample(clock, START + 250, 0, 0)
    assert clock.offset_ms == 250
    machine.elapsed += 2
    machine.wall -= 86_400_000
    assert clock.now() == START + 2250
    assert clock.offset_ms == 86_400_000 + 2250


def test_a_sample_counts_for_its_lifetime_only() -> None:
    machine = Machine()
    clock = machine.clock(lifetime=60)
    machine.sample(clock, START, 0, 0)
    machine.elapsed += 60
    assert clock.now() == START + 60_000
    machine.elapsed += 1
    assert clock.now() is None


def test_a_sample_that_fails_changes_nothing() -> None:
    async def fail() -> int:
        raise NotSent("time", "connect_failed")

    machine = Machine()
    clock = machine.clock()
    machine.sample(clock, START, 0, 0)
    with pytest.raises(NotSent):
        asyncio.run(clock.synchronise(fail))
    assert clock.now() == START


def test_the_time_is_told_roughly_until_one_round_trip_is_short_or_all_were_long() -> None:
    machine = Machine()
    clock = machine.clock()
    assert not clock.rough
    machine.sample(clock, START, 1.0, 0.5)
    assert clock.rough
    machine.sample(clock, START, 0.02, 0.03)
    assert not clock.rough
    far = machine.clock()
    for _ in range(8):
        assert far.rough == bool(far.now())
        machine.sample(far, START, 0.1, 0.1)
    assert not far.rough
