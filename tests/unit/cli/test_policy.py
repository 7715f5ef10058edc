"""`policy check` and `policy new-token`."""

import re
from pathlib import Path

from typer.testing import CliRunner

from gateway.access.policy_file import PolicyFile
from gateway.cli.commands import app

POLICY = """\
version: 1
accounts: [demo]
principals:
  - id: desk
    kind: app
    tokens:
{tokens}
"""


def test_a_new_token_and_its_line_fit_together(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["policy", "new-token"])
    assert done.exit_code == 0
    (token,) = re.findall(r"ngw_[\w-]+", done.output)
    (line,) = re.findall(r"- \{sha256: .*\}", done.output)
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format(tokens=f"      {line}"))
    proof = PolicyFile(file, lambda: 0).current.authenticate(token)
    assert proof is not None
    assert proof.principal.id == "desk"


def test_every_token_is_new() -> None:
    outputs = {CliRunner().invoke(app, ["policy", "new-token"]).output for _ in range(3)}
    assert len(outputs) == 3


def test_a_sound_policy_file_is_said_to_be_sound(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\naccounts: [demo]\nprincipals: []\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert (done.exit_code, done.stdout) == (0, f"{file} is sound (accounts: demo)\n")


def test_every_fault_of_a_policy_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 2\naccounts: ['a b']\nprincipals: []\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[1:]] == ["line 1", "line 2"]


def test_a_policy_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["policy", "check", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr
