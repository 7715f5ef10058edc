"""The documents that README, command line and tests share."""

from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from gateway.cli.operations import operation
from gateway.cli.watch.show import TOPICS
from gateway.schema import sdl

FOLDER = Path(__file__).parents[3] / "graphql" / "operations"
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
