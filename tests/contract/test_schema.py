"""The published schema: what the code exports, which is the whole contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    FieldNode,
    GraphQLNamedType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_introspection_type,
    is_object_type,
    is_specified_scalar_type,
    parse,
    validate,
)
from graphql.utilities import find_breaking_changes, find_dangerous_changes

from gateway.schema import sdl

ROOT = Path(__file__).parents[2]
PUBLISHED = (ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8")
TARGET = build_schema(Path(__file__).with_name("target.graphql").read_text(encoding="utf-8"))
EXPORTED = build_schema(sdl())
OPERATIONS = sorted((ROOT / "graphql" / "operations").glob("*.graphql"))


def own_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {
        name: kind
        for name, kind in schema.type_map.items()
        if not is_introspection_type(kind) and not is_specified_scalar_type(kind)
    }


def signatures(schema: GraphQLSchema) -> dict[str, str]:
    """Every field and argument with its type and default, by its place."""
    found: dict[str, str] = {}
    for name, kind in own_types(schema).items():
        if is_input_object_type(kind):
            for field, given in kind.fields.items():
                found[f"{name}.{field}"] = f"{given.type} = {given.default_value}"
        elif is_object_type(kind) or is_interface_type(kind):
            for field, output in kind.fields.items():
                found[f"{name}.{field}"] = str(output.type)
                for argument, given in output.args.items():
                    place = f"{name}.{field}({argument})"
                    found[place] = f"{given.type} = {given.default_value}"
    return found


def described_places(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything that should say what it is, and what it says."""
    for name, kind in own_types(schema).items():
        yield name, kind.description
        if is_object_type(kind) or is_interface_type(kind) or is_input_object_type(kind):
            for field, described in kind.fields.items():
                yield f"{name}.{field}", described.description


def test_the_published_schema_is_what_the_code_exports() -> None:
    assert sdl() == PUBLISHED


def test_the_schema_lacks_nothing_of_the_contract() -> None:
    assert find_breaking_changes(TARGET, EXPORTED) == []


def test_no_default_and_no_choice_differs_from_the_contract() -> None:
    assert find_dangerous_changes(TARGET, EXPORTED) == []


def test_every_type_and_nullability_that_both_have_is_the_contracts() -> None:
    contract, ours = signatures(TARGET), signatures(EXPORTED)
    shared = contract.keys() & ours.keys()
    assert shared == contract.keys()
    assert {place: ours[place] for place in shared} == {place: contract[place] for place in shared}


def test_inputs_of_which_exactly_one_member_is_given_say_so() -> None:
    for name, kind in own_types(TARGET).items():
        ours = EXPORTED.type_map.get(name)
        if is_input_object_type(kind) and is_input_object_type(ours):
            assert ours.is_one_of == kind.is_one_of, name


def test_every_type_and_field_says_what_it_is() -> None:
    assert [place for place, text in described_places(EXPORTED) if not text] == []


def test_no_number_of_the_exchange_is_a_float() -> None:
    floats = [
        place
        for place, text in signatures(EXPORTED).items()
        if text.strip("[]!").startswith("Float") and not place.endswith(".retryAfter")
    ]
    assert floats == []


def test_enums_have_the_contracts_values_in_its_order() -> None:
    for name, kind in own_types(TARGET).items():
        ours = EXPORTED.type_map.get(name)
        if is_enum_type(kind) and is_enum_type(ours):
            assert list(ours.values) == list(kind.values), name


def operations(path: Path) -> list[OperationDefinitionNode]:
    definitions = parse(path.read_text(encoding="utf-8")).definitions
    return [node for node in definitions if isinstance(node, OperationDefinitionNode)]


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_a_published_document_is_valid_and_its_one_operation_is_named_like_the_file(
    path: Path,
) -> None:
    assert validate(EXPORTED, parse(path.read_text(encoding="utf-8"))) == []
    (operation,) = operations(path)
    assert operation.name is not None
    assert operation.name.value == path.stem.replace("-", " ").title().replace(" ", "")


def test_the_published_documents_use_every_root_field() -> None:
    used = {
        selection.name.value
        for path in OPERATIONS
        for operation in operations(path)
        for selection in operation.selection_set.selections
        if isinstance(selection, FieldNode)
    }
    roots = (EXPORTED.query_type, EXPORTED.mutation_type, EXPORTED.subscription_type)
    fields = {field for root in roots if root is not None for field in root.fields}
    # `account` shows what there is to show of one of `accounts`.
    assert fields - used == {"accounts"}
