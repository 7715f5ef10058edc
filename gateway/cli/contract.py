"""`narkasa-gateway schema`: the published contract, out of the code."""

import difflib
from itertools import islice
from pathlib import Path

import typer

from gateway.schema import sdl

_LINES = 40


def show() -> int:
    """Print the schema."""
    typer.echo(sdl().rstrip("\n"))
    return 0


def compare(file: Path) -> int:
    """0 if `file` holds the schema; else 1, and where the two differ."""
    try:
        published = file.read_text(encoding="utf-8")
    except OSError as error:
        typer.echo(f"{file}: cannot be read: {error.strerror}", err=True)
        return 1
    differences = difflib.unified_diff(
        published.splitlines(), sdl().splitlines(), str(file), "the code", lineterm="", n=1
    )
    shown = list(islice(differences, _LINES))
    for line in shown:
        typer.echo(line, err=True)
    if shown:
        typer.echo(f"{file} is not what the code says; 'make schema' writes it anew", err=True)
    return 1 if shown else 0
