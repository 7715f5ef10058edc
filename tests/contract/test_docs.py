"""The documents speak of what is there: files, names, settings, metrics, decisions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "adr"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.joinpath("docs").rglob("*.md")),
]
FOLDERS = "gateway|tests|docs|graphql|helm|scripts|requirements"
PLACE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)(?::([\w.]+))?`")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def definitions(module: Path) -> set[str]:
    """The names that a module defines, those of classes' members with the class in front."""
    return set(_definitions(ast.parse(module.read_text(encoding="utf-8")), ""))


def _definitions(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in parent.body:
        match node:
            case ast.ClassDef(name=name):
                yield prefix + name
                yield from _definitions(node, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
            case _:
                pass


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not document.parent.joinpath(link).exists()] == []


@each_document
def test_every_place_in_the_code_is_there(document: Path) -> None:
    places = PLACE.findall(document.read_text(encoding="utf-8"))
    assert [path for path, _ in places if not ROOT.joinpath(path).exists()] == []
    named = [(path, name) for path, name in places if name]
    assert [place for place in named if place[1] not in definitions(ROOT / place[0])] == []


@each_document
def test_every_setting_exists(document: Path) -> None:
    named = re.findall(r"`NGW_(\w+?)(?:=\S*)?`", document.read_text(encoding="utf-8"))
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


@each_document
def test_every_metric_exists(document: Path) -> None:
    described = {family.name for family in Metrics().registry.collect()}
    named = re.findall(r"`(gateway_\w+)[`{]", document.read_text(encoding="utf-8"))
    assert {name.removesuffix("_total") for name in named} <= described


def test_every_decision_is_numbered_in_order_and_stands_in_the_index() -> None:
    files = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
    index = DECISIONS.joinpath("README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index) == files


@pytest.mark.parametrize(
    "decision", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem
)
def test_every_decision_says_why_what_at_what_price_and_who_holds_it(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert re.match(rf"# {int(decision.name[:4])}\. ", text)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequence", "Enforced by"]
