"""docs/coverage.md has a row for all that the exchange's document has, each with its cells.

Of every request it is seen that the named method of the client asks for it and the named handlers
of the facade and of the sandbox answer it, of every topic that the named frames of both tell of it,
of every code its names. Of enumerations, of commands on a stream, of the schema and of tests it is
seen only that what is named exists (`tests/contract/test_docs.py` does for places in the code):
that it is the right one is for the reader.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

from gateway.exchange import ERROR_CODES
from gateway.sandbox.codes import Code
from gateway.sandbox.exchange import ENDPOINTS as SANDBOX_ENDPOINTS
from gateway.web.facade.endpoints import ENDPOINTS as FACADE_ENDPOINTS
from tests.contract.exchange_document import CODES, SECTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
SCHEMA = build_schema((ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8"))
WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
OF_CODES = "Error Codes"
NONE = re.compile(r"none: \S.*")
COLUMNS = {
    "client": re.compile(r"`gateway/(?:exchange|custody)/\w+\.py:\w[\w.]*`"),
    "facade": re.compile(r"`gateway/web/facade/\w+\.py:\w[\w.]*`"),
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
OF_TOPICS = {"Market Data Streams", "User Data Streams"}
POSTS = re.compile(r"\b(?:signed_post|_of_asset|prepare)\(")
# A mutation is signed by one method and sent by another.
SENT_BY = {
    "prepare_order": ["place"],
    "prepare_cancel": ["cancel"],
    "prepare_withdrawal": ["withdraw"],
}
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


def function(place: str) -> str:
    """The text of the function or method that a cell names."""
    path, _, name = place.strip("`").partition(":")
    text = (ROOT / path).read_text(encoding="utf-8")
    named = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == name.rpartition(".")[2]
    ]
    return "".join(ast.get_source_segment(text, node) or "" for node in named)


def test_the_client_asks_for_every_request_by_the_methods_that_are_named() -> None:
    for row in REQUESTS:
        signs, *sends = row["client"].split(" ")
        method, path = row["as written there"].strip("`'").split(" v3/api/")
        is_order = row["heading"].startswith("New ")
        assert ("order_path(" if is_order else f'"{path}"') in function(signs), row
        assert bool(POSTS.search(function(signs))) == (method == "POST"), row
        names = [place.strip("`").rpartition(".")[2] for place in (signs, *sends)]
        assert names[1:] == SENT_BY.get(names[0], []), row


def place_of(answer: Callable[..., object]) -> str:
    """The place of a handler; for one that a function makes of a reader of parameters, that one's.

    `_limit.<locals>.<lambda>` is `_limit`'s.
    """
    captured = inspect.getclosurevars(answer).nonlocals
    read = captured.get("read", captured.get("terms", answer))
    path = str(read.__module__).replace(".", "/")
    return f"`{path}.py:{read.__qualname__.partition('.')[0]}`"


@pytest.mark.parametrize(
    ("column", "answers"),
    [
        ("facade", {route: endpoint.answer for route, endpoint in FACADE_ENDPOINTS.items()}),
        (
            "sandbox",
            {(way, f"/{path}"): one.answer for (way, path), one in SANDBOX_ENDPOINTS.items()},
        ),
    ],
    ids=["facade", "sandbox"],
)
def test_every_request_is_answered_by_the_handler_that_is_named_and_nothing_else_is(
    column: str, answers: Mapping[tuple[str, str], Callable[..., object]]
) -> None:
    told = {}
    for row in REQUESTS:
        method, path = row["as written there"].strip("`").split(" ")
        told[method, "/" + path.rstrip("'")] = row[column]
    assert told == {route: place_of(answer) for route, answer in answers.items()}


@pytest.mark.parametrize("column", ["facade", "sandbox"])
def test_every_topic_is_told_of_by_the_frame_that_is_named(column: str) -> None:
    rows = [row for section, row in tables() if section in OF_TOPICS]
    # A command on a stream is written in capitals, an enumeration without quotes.
    told = [row for row in rows if re.fullmatch(r"`[a-z]\w+`", row["as written there"])]
    assert len(told) == 9
    for row in told:
        topic = row["as written there"].strip("`")
        assert f'"type": "{topic}"' in function(row[column]), row


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_the_names_that_client_and_sandbox_give_it(code: str) -> None:
    row = ROWS_OF_CODES[code]
    client = "SUCCESS" if code == "00000" else ERROR_CODES[code].name
    assert (row["client"], row["sandbox"]) == (f"`{client}`", f"`{SANDBOX_NAMES[code]}`")
