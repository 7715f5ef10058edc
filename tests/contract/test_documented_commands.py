"""The commands that people are told to run: the command line takes each as it stands."""

import re
import shlex
from collections.abc import Iterator, Sequence
from functools import wraps
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.commands import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *sorted((DOCS / "runbook").glob("*.md")),
    *(DOCS / f"{name}.md" for name in ("install", "operating", "orders")),
]
OF_THE_POD = {"NGW_KEYS_FILE": "/etc/keys/sealed.json", "NGW_KEY_ENCRYPTION_KEY_FILE": "/etc/kek"}
"""What is set where the pages say that a command runs in the pod."""

_SPANS = re.compile(r"^```\w*\n(?P<block>.*?)^```|`(?P<inline>[^`]+)`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?<![\w/-])narkasa-gateway ([a-z].*)")
_ENDS = {"|", ">", "<", "&", ";"}


def commands(page: Path) -> Iterator[tuple[str, ...]]:
    """The arguments of each command that a page names in a block or between backticks."""
    for span in _SPANS.finditer(re.sub(r"^ +", "", page.read_text(), flags=re.MULTILINE)):
        inline = span["inline"]
        text = span["block"].replace("\\\n", "") if inline is None else inline.replace("\n", " ")
        for found in _COMMAND.findall(text):
            yield arguments(found)


def arguments(text: str) -> tuple[str, ...]:
    words = shlex.split(text, comments=True)
    end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
    return tuple(words[:end])


def twin(original: typer.Typer) -> typer.Typer:
    """The same commands with the same parameters, which do nothing."""
    made = typer.Typer()
    for command in original.registered_commands:
        assert command.callback is not None
        made.command(command.name)(wraps(command.callback)(lambda **_: None))
    for group in original.registered_groups:
        assert group.typer_instance is not None
        made.add_typer(twin(group.typer_instance), name=group.name)
    return made


def taken(words: Sequence[str]) -> tuple[int, str]:
    """What the command line says of the arguments: 0 if it takes them."""
    done = CliRunner().invoke(twin(app), list(words), env=OF_THE_POD)
    return done.exit_code, done.output


def test_pages_name_commands() -> None:
    named = {words[:2] for page in PAGES for words in commands(page)}
    assert named >= {("trading", "set"), ("orders", "resolve"), ("keys", "probe"), ("keys", "add")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_command_of_a_page_is_taken_as_it_stands(page: Path) -> None:
    for words in commands(page):
        status, output = taken(words)
        assert status == 0, f"narkasa-gateway {' '.join(words)}: {output}"


@pytest.mark.parametrize(
    "text",
    ["trading set CANCEL_ONLY", "trading sett ACTIVE --reason x", "orders show", "policy check"],
)
def test_what_lacks_something_is_not_taken(text: str) -> None:
    assert taken(text.split())[0] == 2
