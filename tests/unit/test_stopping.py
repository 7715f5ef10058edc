"""A stop has one deadline, whatever its parts do."""

import pytest

from gateway.stopping import StopDeadline


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_every_part_has_a_share_of_one_span_and_the_next_what_it_leaves() -> None:
    clock = Clock()
    stop = StopDeadline(10, clock)
    clock.now += 500
    stop.begin()
    assert (stop.for_requests(), stop.for_records()) == (8, 9)
    clock.now += 7
    stop.begin()
    assert (stop.for_requests(), stop.for_records()) == (1, 2)
    clock.now += 5
    assert (stop.for_requests(), stop.for_records()) == (0, 0)


def test_what_is_left_after_the_last_record_is_enough_for_two_rounds_of_closing() -> None:
    clock = Clock()
    stop = StopDeadline(10, clock)
    assert stop.for_records() + 2 * stop.for_closing == pytest.approx(10)


def test_a_stop_that_nobody_announced_begins_with_its_first_part() -> None:
    clock = Clock()
    stop = StopDeadline(10, clock)
    clock.now += 500
    assert stop.for_requests() == 8
