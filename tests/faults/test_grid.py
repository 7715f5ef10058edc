"""Orders that go wrong on the wire while gateways and Redis die: none is lost, none is doubled.

A few rounds of the fault grid; `make faults` plays all of it.
"""

from pathlib import Path

import pytest

from tests.faults.ambush import Step
from tests.faults.grid import ALONE, TOGETHER, Kill, RedisFate, Round, whole_grid
from tests.faults.journal_wire import Moment
from tests.faults.rounds import play

ROUNDS = (
    Round(faults=TOGETHER[::2], shapes=("resting",), outsider=True, seed=1),
    Round(
        faults=TOGETHER[1::3],
        shapes=("market",),
        kill=Kill(Step.BEGIN, Moment.ANSWERED),
        redis=RedisFate.RESTARTED,
        skew_s=3,
        seed=2,
    ),
    Round(
        faults=TOGETHER[::3],
        shapes=("resting",),
        kill=Kill(Step.LAPSE, Moment.ASKED),
        redis=RedisFate.FAILED_OVER,
        skew_s=-3,
        seed=3,
    ),
    Round(faults=ALONE[0], kill=Kill(Step.OUTCOME, Moment.ANSWERED), seed=4),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("round_", ROUNDS, ids=[each.name for each in ROUNDS])
def test_no_order_is_lost_doubled_or_called_what_it_is_not(tmp_path: Path, round_: Round) -> None:
    played = play(tmp_path / "world", round_)
    assert played.violations == (), played.report


def test_the_grid_is_the_same_for_the_same_seed_and_names_every_round_once() -> None:
    rounds = list(whole_grid(1))
    assert rounds == list(whole_grid(1))
    assert len({each.name for each in rounds}) == len(rounds)
