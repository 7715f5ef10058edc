"""An API key and its secret come from a file, from standard input or from a terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from gateway.cli.keys.pairs import NoPair, take_pair
from tests.processes import eventually

SHOW = """
from gateway.cli.keys.pairs import NoPair, take_pair
import sys
try:
    print("|".join(take_pair(sys.argv[1] if sys.argv[1:] else None)))
except NoPair as missing:
    print(missing)
"""


def in_a_process(*source: str, given: bytes) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *source],
        input=given,
        capture_output=True,
        check=True,
        timeout=20,
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize("content", ["key\nsecret\n", "key\nsecret", "key\r\nsecret\r\n"])
def test_a_file_has_the_key_on_its_first_line_and_the_secret_on_its_second(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "pair"
    file.write_bytes(content.encode())
    assert take_pair(str(file)) == ("key", "secret")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "expected two lines, the API key and its secret; found 0"),
        ("key\n", "found 1"),
        ("key\nsecret\nmore\n", "found 3"),
        ("key\n\n", "the API secret must be"),
        ("a key\nhidden\n", "the API key must be"),
        ("key\nhidden\u00e9\n", "the API secret must be"),
        (f"key\n{'s' * 4097}\n", "the API secret must be"),
    ],
)
def test_anything_else_is_refused_without_showing_it(
    tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "pair"
    file.write_text(content)
    with pytest.raises(NoPair) as refused:
        take_pair(str(file))
    assert told in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoPair, match="none: cannot be read"):
        take_pair(str(tmp_path / "none"))


def test_standard_input_is_read_when_it_is_named() -> None:
    assert in_a_process("-", given=b"key\nsecret\n") == "key|secret"


def test_without_a_terminal_nothing_is_waited_for() -> None:
    assert in_a_process(given=b"key\nsecret\n").startswith("there is no terminal to ask at")


def test_a_terminal_is_asked_and_does_not_show_what_is_typed() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SHOW],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        try:
            shown = b""
            for question, answer in ((b"API key", b"typed-key"), (b"API secret", b"typed-secret")):
                while question not in shown:
                    shown += read_soon(ours)
                assert eventually(lambda: not termios.tcgetattr(theirs)[3] & termios.ECHO)
                os.write(ours, answer + b"\n")
            assert process.communicate(timeout=20)[0] == b"typed-key|typed-secret\n"
        finally:
            process.kill()
    assert b"typed" not in shown
    os.close(ours)
    os.close(theirs)


def read_soon(descriptor: int) -> bytes:
    assert select.select([descriptor], [], [], 20)[0], "nothing is shown"
    return os.read(descriptor, 4096)
