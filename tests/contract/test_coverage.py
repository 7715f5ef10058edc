"""docs/coverage.md has a row for all that the exchange's document has, and each cell is true.

That the places in the code exist, `tests/contract/test_docs.py` sees to.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

from gateway.exchange import ERROR_CODES
from gateway.sandbox.codes import Code
from gateway.sandbox.exchange import ENDPOINTS
from tests.contract.exchange_document import CODES, SECTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
SCHEMA = build_schema((ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8"))
WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
OF_CODES = "Error Codes"
NONE = re.compile(r"none: \S.*")
COLUMNS = {
    "client": re.compile(r"`gateway/(?:exchange|custody)/\w+\.py:\w[\w.]*`"),
    "sandbox": re.compile(r"`gateway/sandbox/\w+\.py:\w[\w.]*`"),
    "test": re.compile(r"`tests/\w[\w/]*/test_\w+\.py:test_\w+`"),
}


def tables() -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of each table by its columns' names, with the section that it stands in."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "]
        yield from ((title, dict(zip(lines[0], line, strict=True))) for line in lines[1:])


ROWS = [row for section, row in tables() if section != OF_CODES]
ROWS_OF_CODES = {
    row["as written there"].strip("`"): row for section, row in tables() if section == OF_CODES
}
SANDBOX_NAMES = {code.value: code.name for code in Code}
HEADINGS = {heading.title: heading for headings in SECTIONS.values() for heading in headings}
REQUESTS = [row for row in ROWS if re.match(r"`(?:GET|POST) ", row["as written there"])]


def test_every_heading_has_its_rows_in_the_documents_order() -> None:
    told = [
        (section, row["heading"], row["as written there"].strip("`")) for section, row in tables()
    ]
    facts = [
        (section, heading.title, subject)
        for section, headings in SECTIONS.items()
        for heading in headings
        for subject in heading.subjects
    ]
    assert told == facts + [(OF_CODES, OF_CODES, code) for code in CODES]


def test_every_heading_has_the_codes_of_its_table() -> None:
    told = {
        row["heading"]: tuple(row["codes"].split()) for row in ROWS if row.get("codes", "-") != "-"
    }
    assert told == {title: heading.codes for title, heading in HEADINGS.items() if heading.codes}
    assert {code for heading in HEADINGS.values() for code in heading.codes} <= set(CODES)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_cell_names_a_place_of_its_kind_or_says_why_there_is_none(column: str) -> None:
    for row in ROWS:
        places = row[column].split(" ")
        named = all(COLUMNS[column].fullmatch(place) for place in places)
        assert named or NONE.fullmatch(row[column]), (column, row)


def test_every_code_names_a_test() -> None:
    for row in ROWS_OF_CODES.values():
        assert all(COLUMNS["test"].fullmatch(place) for place in row["test"].split(" ")), row


def in_the_schema(place: str) -> bool:
    name, _, member = place.partition(".")
    kind = SCHEMA.type_map.get(name)
    if not member:
        return kind is not None
    return isinstance(kind, WITH_FIELDS) and member in kind.fields


def test_every_cell_of_the_schema_names_what_is_in_it_or_says_why_there_is_nothing() -> None:
    for row in [*ROWS, *ROWS_OF_CODES.values()]:
        places = re.findall(r"`([A-Z][A-Za-z]*(?:\.\w+)?)`", row["schema"])
        assert places or NONE.fullmatch(row["schema"]), row
        assert [place for place in places if not in_the_schema(place)] == []


def test_the_sandbox_answers_every_request_by_the_handler_that_is_named() -> None:
    answered = set()
    for row in REQUESTS:
        method, path = row["as written there"].strip("`").split(" ")
        endpoint = ENDPOINTS[method, path.rstrip("'")]
        module, _, name = row["sandbox"].strip("`").partition(":")
        assert endpoint.answer.__module__ == module.removesuffix(".py").replace("/", ".")
        made_by_it = "<locals>" in endpoint.answer.__qualname__
        assert made_by_it or endpoint.answer.__name__ == name
        answered.add((method, path.rstrip("'")))
    assert answered == set(ENDPOINTS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_names_that_client_and_sandbox_give_it(code: str) -> None:
    row = ROWS_OF_CODES[code]
    client = "SUCCESS" if code == "00000" else ERROR_CODES[code].name
    assert (row["client"], row["sandbox"]) == (f"`{client}`", f"`{SANDBOX_NAMES[code]}`")
