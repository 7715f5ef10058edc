"""The transcripts in docs/facade.md, executed: what is typed there is answered as is printed there.

`…` stands for anything in a value, `<name>` too, but for the same wherever the block has it.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import eventually, free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "facade.md").read_text(encoding="utf-8")
_, _, MISTAKES = PAGE.partition("## Ten mistakes")
PROGRAM = Path(sys.executable).with_name("narkasa-gateway")
TRANSCRIPTS: list[str] = re.findall(r"^```console\n(.*?)^```$", MISTAKES, re.DOTALL | re.MULTILINE)
[FIRST] = re.findall(r"^```sh\n(.*?)^```$", MISTAKES, re.DOTALL | re.MULTILINE)
TYPED = "$ "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where `narkasa-gateway dev` runs, and its transcripts are typed."""
    folder = tmp_path_factory.mktemp("transcripts")
    ports = {"GATEWAY_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    with subprocess.Popen(
        [PROGRAM, "dev"], cwd=folder, env=environ() | ports, stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert eventually(folder.joinpath(".dev", "env").exists)
            yield folder
        finally:
            process.send_signal(signal.SIGINT)


def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def commands(transcript: str) -> str:
    lines = transcript.splitlines()
    return "\n".join(line.removeprefix(TYPED) for line in lines if line.startswith(TYPED))


def printed(transcript: str) -> str:
    """What is to be printed, as a pattern."""
    lines = (line for line in transcript.splitlines() if not line.startswith(TYPED))
    known: set[str] = set()

    def pattern(part: str) -> str:
        if part == "…":
            return r"[^,}]+"
        if not re.fullmatch(r"<\w+>", part):
            return re.escape(part)
        name = part[1:-1]
        if name in known:
            return f"(?P={name})"
        known.add(name)
        return rf"(?P<{name}>\w+)"

    return "".join(map(pattern, re.split(r"(…|<\w+>)", "\n".join(lines))))


@pytest.mark.parametrize("number", range(len(TRANSCRIPTS)))
def test_what_is_typed_is_answered_as_printed(folder: Path, number: int) -> None:
    transcript = TRANSCRIPTS[number]
    done = subprocess.run(
        ["/bin/sh", "-euc", f"{FIRST}\n{commands(transcript)}"],
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(printed(transcript), done.stdout.strip("\n")), done.stdout


def test_there_are_ten_mistakes_each_with_its_transcript_and_what_works_before_them() -> None:
    numbers = re.findall(r"^\*\*(\d+)\. ", MISTAKES, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)]
    assert len(TRANSCRIPTS) == 1 + len(numbers)


def test_what_varies_between_two_lines_must_not_where_it_has_a_name() -> None:
    pattern = printed('{"id":"<id>"}\n{"id":"<id>","time":…}')
    assert re.fullmatch(pattern, '{"id":"a1"}\n{"id":"a1","time":7}')
    assert not re.fullmatch(pattern, '{"id":"a1"}\n{"id":"b2","time":7}')
    assert not re.fullmatch(pattern, '{"id":"a1"}\n{"id":"a1","time":7,"more":1}')
