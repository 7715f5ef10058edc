"""Catching many writes at the same step."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.ambush import Ambush, Step, step_of
from tests.faults.journal_wire import BEGIN, CHANGE, Moment, Write


def write(number: int, script: str = BEGIN, before: str | None = None, **more: bool) -> Write:
    return Write(script, f"account-{number}", before, "UNKNOWN", f"d{number}", **more)


STEPS = {
    Step.BEGIN: write(1),
    Step.OUTCOME: write(1, CHANGE, "SENDING"),
    Step.LAPSE: write(1, CHANGE, "SENDING", taken_over=True),
    Step.RESOLUTION: write(1, CHANGE, "UNKNOWN"),
}


@pytest.mark.parametrize("step", Step)
def test_each_step_is_told_by_what_is_written(step: Step) -> None:
    assert step_of(STEPS[step]) is step


def test_writes_of_one_step_are_held_until_the_deed_is_done_and_then_lost() -> None:
    ambush = Ambush(Step.BEGIN, Moment.ANSWERED)
    hooks = {name: ambush.hook(name) for name in ("first", "second")}
    with ThreadPoolExecutor(3) as pool:
        assert hooks["first"](write(1), Moment.ASKED)
        assert hooks["first"](STEPS[Step.OUTCOME], Moment.ANSWERED)
        held = [pool.submit(hooks["first"], write(number), Moment.ANSWERED) for number in (1, 2)]
        held.append(pool.submit(hooks["second"], write(3), Moment.ANSWERED))
        assert ambush.wait(3) == 3
        killed: list[str] = []
        ambush.spring(killed.extend)
        assert sorted(killed) == ["first", "second"]
        assert [each.result() for each in held] == [False, False, False]
    assert hooks["first"](write(4), Moment.ANSWERED)


def test_who_is_spared_goes_on() -> None:
    ambush = Ambush(Step.BEGIN, Moment.ASKED)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ambush.hook("first"), write(1), Moment.ASKED)
        assert ambush.wait(1) == 1
        second = pool.submit(ambush.hook("second"), write(2), Moment.ASKED)
        assert ambush.wait(2) == 2
        killed: list[str] = []
        ambush.spring(killed.extend, on_all=False)
        assert killed == ["first"]
        assert (first.result(), second.result()) == (False, True)
