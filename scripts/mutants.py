"""Break what keeps orders safe, one piece at a time, and see that the fault tests find it.

Each mutant changes a few texts of the gateway in a copy of the tree, and runs the tests that must
then fail. The same tests run on an unchanged copy first, where they must pass. Ends with status 1
when a mutant lives. `--only` takes a part of a mutant's name.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_UNKNOWN = "tests/faults/test_unknown_orders.py::"


@dataclass(frozen=True)
class Edit:
    """A text that stands once in a file, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mistake that could be made, and the tests of which each must find it."""

    name: str
    edits: tuple[Edit, ...]
    found_by: tuple[str, ...]


LATE_WITHIN = f"{_UNKNOWN}test_an_order_executed_within_its_guard_is_never_called_not_placed"
TWO_READINGS = f"{_UNKNOWN}test_one_reading_is_not_enough_to_call_an_order_not_placed"
TIE = f"{_UNKNOWN}test_of_two_equal_orders_nobody_guesses_which_is_whose_until_a_person_says"
REPEATED = f"{_UNKNOWN}test_an_order_without_an_answer_is_sent_once_however_often_it_is_asked_for"
RECORD_FIRST = f"{_UNKNOWN}test_no_order_goes_out_before_its_record_is_acknowledged"

MUTANTS = (
    Mutant(
        "re-sign at send",
        (
            Edit(
                "gateway/services/orders.py",
                "            order = await self._exchange.place(prepared, placement.command)\n",
                "            signer = self._preparation._signer(placement.command.account)\n"
                "            prepared = await self._exchange.prepare_order(\n"
                "                signer, placement.command\n"
                "            )\n"
                "            order = await self._exchange.place(prepared, placement.command)\n",
            ),
        ),
        (RECORD_FIRST,),
    ),
    Mutant(
        "no guard",
        (
            Edit(
                "gateway/domain/resolution_case.py",
                "return placement.signed_at + placement.window + self.guard",
                "return placement.signed_at + placement.window",
            ),
            Edit(
                "gateway/services/album.py",
                "last = placement.signed_at + placement.window + terms.guard",
                "last = placement.signed_at + placement.window",
            ),
        ),
        (LATE_WITHIN,),
    ),
    Mutant(
        "one read instead of two",
        (
            Edit(
                "gateway/domain/resolution.py",
                "        if last - first < self._terms.spacing:\n            return None\n",
                "",
            ),
        ),
        (TWO_READINGS,),
    ),
    Mutant(
        "claim on a tie",
        (
            Edit(
                "gateway/domain/resolution_finds.py",
                "if len(found) != 1 or reader.holders(found[0], terms) != {placement.id}:",
                "if not found:",
            ),
        ),
        (TIE,),
    ),
    Mutant(
        "release the id on a timeout",
        (
            Edit(
                "gateway/store/scripts/begin.lua",
                "if held.state ~= 'NOT_SENT' or why ~= 'JOURNAL_UNAVAILABLE' then",
                "if held.state ~= 'UNKNOWN' and held.state ~= 'NOT_SENT' then",
            ),
            Edit(
                "gateway/store/journal_outcomes.py",
                "    return placement.state is _S.NOT_SENT and (\n",
                "    return placement.state is _S.UNKNOWN or (\n",
            ),
            Edit(
                "gateway/store/scripts/rules.lua",
                "    if (identical or blocks) and its_rank > rank then",
                "    if blocks and its_rank > rank then",
            ),
        ),
        (REPEATED,),
    ),
    Mutant(
        "journal after send",
        (
            Edit(
                "gateway/services/order_preparation.py",
                "            standing = await self._journal.begin(\n"
                "                intent,\n"
                "                lease_ms=prepared.window + self._timing.lease,\n"
                "                claim=claim,\n"
                "                lane=found.lane if intent.command.immediate else None,\n"
                "                asked_at=found.asked_at,\n"
                "            )\n",
                "            standing = intent\n"
                "            lease_ms = prepared.window + self._timing.lease\n"
                "            asyncio.get_running_loop().call_later(\n"
                "                0.05,\n"
                "                lambda: asyncio.ensure_future(\n"
                "                    self._journal.begin(intent, lease_ms=lease_ms, claim=claim)\n"
                "                ),\n"
                "            )\n",
            ),
        ),
        (RECORD_FIRST,),
    ),
)


def problems(root: Path, mutant: Mutant) -> list[str]:
    """Why a mutant cannot be made of the tree at `root`; a sentence for each edit that misses."""
    counts = {edit: (root / edit.file).read_text().count(edit.old) for edit in mutant.edits}
    return [
        f"{mutant.name}: {edit.file} has the text {count} times: {edit.old.strip()!r}"
        for edit, count in counts.items()
        if count != 1
    ]


def main(arguments: Sequence[str]) -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of a mutant's name")
    only = parser.parse_args(arguments).only
    chosen = [mutant for mutant in MUTANTS if only in mutant.name]
    faults = [problem for mutant in chosen for problem in problems(ROOT, mutant)]
    if faults:
        print("\n".join(faults))
        return 1
    cells = sorted({cell for mutant in chosen for cell in mutant.found_by})
    if not _passes((), cells):
        print("the tests do not pass on the tree as it is")
        return 1
    living = [mutant.name for mutant in chosen if not _killed(mutant)]
    return int(bool(living))


def _killed(mutant: Mutant) -> bool:
    lived = [cell for cell in mutant.found_by if _passes(mutant.edits, [cell])]
    print(f"{'LIVES ' if lived else 'killed'} {mutant.name} {' '.join(lived)}", flush=True)
    return not lived


def _passes(edits: Sequence[Edit], cells: Sequence[str]) -> bool:
    with tempfile.TemporaryDirectory(prefix="ngw-mutant-") as folder:
        tree = Path(folder) / "tree"
        _copy(tree)
        for edit in edits:
            file = tree / edit.file
            file.write_text(file.read_text().replace(edit.old, edit.new))
        # Run as a module, pytest finds the copy's packages before those that are installed.
        done = subprocess.run(  # noqa: S603 - the interpreter that runs this, on names from above
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *cells],
            cwd=tree,
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run:\n{done.stdout}{done.stderr}")
    if not edits and done.returncode:
        print(done.stdout)
    return done.returncode == 0


def _copy(tree: Path) -> None:
    """Copy what is needed to run tests, as it stands, committed or not."""
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("gateway", "tests", "graphql", "docs", "scripts"):
        shutil.copytree(ROOT / name, tree / name, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", tree)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
