"""What judges the gateway under faults shares no code with it, so that no mistake is shared."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(module: Path) -> Iterator[str]:
    """The modules, and their members, that a module imports anywhere."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(origin), names=names, level=0):
                yield from (f"{origin}.{each.name}" for each in names)
            case ast.ImportFrom():
                yield f"gateway (relative, in {module.name})"


def reached(module: Path) -> set[str]:
    """All that it imports, and what those of the tests' own modules import that it does."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for name in set(imported(waiting.pop())) - found:
            found.add(name)
            origin = ROOT.joinpath(*name.split(".")[:-1]).with_suffix(".py")
            whole = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            waiting += [each for each in (origin, whole) if "tests" in name and each.exists()]
    return found


@pytest.mark.parametrize("module", ["checker", "evidence"])
def test_the_checker_takes_nothing_of_the_gateway(module: str) -> None:
    names = reached(ROOT / "tests" / "faults" / f"{module}.py")
    assert [name for name in names if name.partition(".")[0].startswith("gateway")] == []


def test_what_takes_the_gateway_by_way_of_another_module_is_found() -> None:
    names = reached(ROOT / "tests" / "faults" / "test_unknown_orders.py")
    assert any(name.startswith("gateway.") for name in names)
