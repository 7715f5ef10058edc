"""The documents that README, command line and tests share."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from gateway.cli.operations import operation
from gateway.cli.watch.show import TOPICS
from gateway.schema import sdl

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "graphql" / "operations"
NAMES = sorted(path.stem for path in FOLDER.glob("*.graphql"))


@pytest.mark.parametrize("name", NAMES)
def test_every_document_is_valid_and_one_operation_named_like_its_file(name: str) -> None:
    document = parse(operation(name))
    assert validate(build_schema(sdl()), document) == []
    (definition,) = document.definitions
    assert isinstance(definition, OperationDefinitionNode)
    assert definition.name is not None
    assert definition.name.value == name.title().replace("-", "")


@pytest.mark.parametrize("field", TOPICS)
def test_every_topic_selects_the_field_that_it_shows(field: str) -> None:
    (definition,) = parse(operation(TOPICS[field].document)).definitions
    assert isinstance(definition, OperationDefinitionNode)
    (selected,) = definition.selection_set.selections
    assert getattr(selected, "name").value == field  # noqa: B009 - a field, by the line above


def test_a_wheel_carries_every_document(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=50,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {Path("gateway/cli/operations", f"{name}.graphql") for name in NAMES} < names
