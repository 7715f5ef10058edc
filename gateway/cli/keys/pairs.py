"""Taking in an API key and its secret: from a prompt that shows nothing, a file, or stdin."""

import re
import sys
from pathlib import Path

import typer

STDIN = "-"
_LONGEST = 4096
_VALUE = re.compile(rf"[!-~]{{1,{_LONGEST}}}", re.ASCII)
_LINES = 2


class NoPair(Exception):
    """There is no API key and secret to be had; `problem` says how to give them."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        """Say what is expected, never what was found."""
        return self.problem


def take_pair(source: str | None) -> tuple[str, str]:
    """Give the API key and the secret of `source`: a file's path, `-`, or None to ask for them.

    Raises `NoPair`, whose text holds neither.
    """
    key, secret = _ask() if source is None else _read(source)
    for name, value in (("API key", key), ("API secret", secret)):
        if not _VALUE.fullmatch(value):
            problem = (
                f"the {name} must be 1 to {_LONGEST} printable ASCII characters without spaces; "
                "copy it again from the exchange"
            )
            raise NoPair(problem)
    return key, secret


def _ask() -> tuple[str, str]:
    if not sys.stdin.isatty():
        problem = (
            "there is no terminal to ask at: give --secret-file FILE, or - for standard input, "
            "with the API key on the first line and its secret on the second"
        )
        raise NoPair(problem)
    return (
        typer.prompt("API key (not shown)", hide_input=True, err=True),
        typer.prompt("API secret (not shown)", hide_input=True, err=True),
    )


def _read(source: str) -> tuple[str, str]:
    lines = _text(source).splitlines()
    if len(lines) != _LINES:
        problem = (
            f"{_named(source)}: expected two lines, the API key and its secret; found {len(lines)}"
        )
        raise NoPair(problem)
    key, secret = lines
    return key, secret


def _text(source: str) -> str:
    most = 2 * _LONGEST + len("\r\n\r\n")
    try:
        if source == STDIN:
            content = sys.stdin.buffer.read(most + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(most + 1)
    except OSError as error:
        problem = f"{_named(source)}: cannot be read ({error.strerror})"
        raise NoPair(problem) from None
    return content.decode("ascii", errors="replace")


def _named(source: str) -> str:
    return "standard input" if source == STDIN else source
