"""Play the whole fault grid, or a part of it: `make faults`.

Each round is told with its seed as it ends; `--only` plays those whose names hold a text. Ends with
status 1 when anything was lost, doubled or said that is not so.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.faults.checker import Report
from tests.faults.grid import Round, whole_grid
from tests.faults.rounds import Played, play


def main(arguments: Sequence[str]) -> int:
    """Run; give the exit status."""
    asked = _asked(arguments)
    rounds = [each for each in whole_grid(asked.seed) if asked.only in each.name]
    rounds = rounds[:: asked.every]
    _say(f"{len(rounds)} rounds by the seed {asked.seed}, {asked.jobs} at a time")
    began = time.monotonic()
    played: list[Played] = []
    with ProcessPoolExecutor(asked.jobs, max_tasks_per_child=1) as pool:
        running = {pool.submit(_play, each): each for each in rounds}
        for done in as_completed(running):
            played.append(done.result())
            _tell(running[done], played[-1])
    _say(f"{time.monotonic() - began:.0f} s; all rounds together:\n{_sum(played)}")
    return int(any(each.violations for each in played))


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", default="", help="a part of a round's name")
    parser.add_argument("--every", type=int, default=1, help="play each so manieth round only")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args(arguments)


def _play(round_: Round) -> Played:
    folder = Path(tempfile.mkdtemp(prefix="ngw-grid-"))
    try:
        played = play(folder, round_)
    except Exception as error:  # noqa: BLE001 - one world that fails must not hide all others
        empty = Report((), Counter(), 0, 0, ())
        return Played(empty, {}, (f"it broke off: {error!r:.2000} (its logs are in {folder})",))
    if played.violations:
        return Played(played.report, played.states, (*played.problems, f"its logs are in {folder}"))
    shutil.rmtree(folder)
    return played


def _tell(round_: Round, played: Played) -> None:
    counts = Counter(played.states.values())
    states = ", ".join(f"{state} {count}" for state, count in sorted(counts.items()))
    verdict = "FAILED" if played.violations else "ok"
    _say(f"{verdict:6} {round_.name} (seed {round_.seed}): {states}")
    for violation in played.violations:
        _say(f"       {violation}")


def _sum(played: Sequence[Played]) -> Report:
    reports = [each.report for each in played]
    return Report(
        violations=tuple(violation for each in played for violation in each.violations),
        states=sum((Counter(report.states) for report in reports), Counter()),
        requests=sum(report.requests for report in reports),
        late=sum(report.late for report in reports),
        resolution_ms=tuple(each for report in reports for each in report.resolution_ms),
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
