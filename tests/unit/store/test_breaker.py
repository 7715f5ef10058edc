from gateway.store.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, pause_s=5, clock=clock)


def opened(clock: Clock) -> Breaker:
    it = breaker(clock)
    assert [it.failed() for _ in range(3)] == [False, False, True]
    return it


def test_it_opens_after_the_last_of_so_many_failures_in_a_row() -> None:
    it = opened(Clock())
    assert it.open
    assert not it.allows()


def test_a_success_in_between_starts_the_count_again() -> None:
    it = breaker(Clock())
    it.failed()
    it.failed()
    assert not it.succeeded()
    it.failed()
    assert not it.failed()
    assert it.allows()


def test_one_probe_passes_every_pause() -> None:
    clock = Clock()
    it = opened(clock)
    clock.now = 4.9
    assert not it.allows()
    clock.now = 5.0
    assert [it.allows() for _ in range(10)] == [True] + [False] * 9
    clock.now = 10.0
    assert it.allows()


def test_a_probe_that_fails_starts_the_pause_again() -> None:
    clock = Clock()
    it = opened(clock)
    clock.now = 5.0
    assert it.allows()
    clock.now = 7.0
    assert not it.failed()
    clock.now = 11.9
    assert not it.allows()
    clock.now = 12.0
    assert it.allows()


def test_a_probe_that_succeeds_closes_it_once() -> None:
    it = opened(Clock())
    assert it.succeeded()
    assert not it.succeeded()
    assert it.allows()
