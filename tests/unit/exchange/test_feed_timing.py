"""How attempts are spread."""

import random

import pytest

from gateway.exchange.feed_timing import full_jitter


class Longest(random.Random):
    """Chance that always picks the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("failures", "bound"), [(1, 0.5), (2, 1.0), (7, 30.0), (10_000, 30.0)], ids=str
)
def test_the_bound_doubles_up_to_the_cap(failures: int, bound: float) -> None:
    assert full_jitter(Longest(), 0.5, 30.0, failures) == bound


def test_a_wait_lies_anywhere_below_its_bound() -> None:
    rng = random.Random(3)
    waits = [full_jitter(rng, 1.0, 8.0, 4) for _ in range(200)]
    assert all(0.0 <= wait <= 8.0 for wait in waits)
    assert min(waits) < 1.0
    assert max(waits) > 7.0
