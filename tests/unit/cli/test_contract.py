"""`schema` prints the contract, `schema --check` compares a file with it."""

from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.schema import sdl


def test_the_schema_is_printed() -> None:
    done = CliRunner().invoke(app, ["schema"])
    assert (done.exit_code, done.stdout) == (0, sdl().rstrip("\n") + "\n")


def test_a_file_made_by_it_passes(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text(CliRunner().invoke(app, ["schema"]).stdout)
    done = CliRunner().invoke(app, ["schema", "--check", str(file)])
    assert (done.exit_code, done.output) == (0, "")


def test_a_difference_is_shown_in_short(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text(sdl().replace("type Query {", "type Query {\n  made: Int", 1))
    done = CliRunner().invoke(app, ["schema", "--check", str(file)])
    assert done.exit_code == 1
    assert "-  made: Int" in done.stderr.splitlines()
    assert len(done.stderr.splitlines()) <= 41


def test_an_unlike_file_is_not_printed_whole(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text("scalar Old\n" * 500)
    done = CliRunner().invoke(app, ["schema", "--check", str(file)])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) <= 41


def test_a_file_that_is_not_there_fails(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["schema", "--check", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr
