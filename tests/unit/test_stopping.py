"""A stop has one deadline, whatever its parts do."""

import asyncio
from functools import partial

import pytest

from gateway.stopping import StopDeadline, one_by_one


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_every_part_has_a_share_of_one_span_and_the_next_what_it_leaves() -> None:
    clock = Clock()
    stop = StopDeadline(10, clock)
    clock.now += 500
    assert not stop.begun
    stop.begin()
    assert stop.begun
    assert (stop.for_sockets(), stop.for_requests(), stop.for_records()) == (5, 8, 9)
    clock.now += 7
    stop.begin()
    assert (stop.for_sockets(), stop.for_requests(), stop.for_records()) == (0, 1, 2)
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


@pytest.mark.anyio
async def test_those_who_must_go_are_sent_one_after_the_other_and_hold_up_nobody() -> None:
    begun: list[int] = []
    slow = asyncio.Event()

    async def end(place: int) -> None:
        assert begun == list(range(place))
        begun.append(place)
        if place == 0:
            await slow.wait()
        if place == 2:
            assert not slow.is_set()
            slow.set()

    await one_by_one([partial(end, place) for place in range(3)], over_s=0.03)
    assert begun == [0, 1, 2]
    await one_by_one([], over_s=1)
