"""The mutants that `make mutants` makes can be made of the code as it is."""

import ast
from pathlib import Path

import pytest

from scripts.mutants import MUTANTS, ROOT, Mutant, problems

NAMES = [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_each_text_that_a_mutant_changes_stands_once_in_its_file(mutant: Mutant) -> None:
    assert problems(ROOT, mutant) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_each_test_that_must_find_a_mutant_exists(mutant: Mutant) -> None:
    for cell in mutant.found_by:
        file, _, name = cell.partition("::")
        tree = ast.parse((Path(ROOT) / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
