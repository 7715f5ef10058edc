"""Files of whole lines; what the audit log's file does with them is tested with that."""

import io
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.store.line_file import LineFile, LineOutput, line_file

pytestmark = pytest.mark.anyio


async def test_lines_are_appended_to_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    file = line_file(str(path), io.StringIO(), name="test")
    assert isinstance(file, LineFile)
    await file.append("one\ntwo\n")
    await file.append("three\n")
    assert path.read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_torn_line_is_cut_off_and_the_log_says_of_which_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntw")
    with capture_logs() as lines:
        await LineFile(path, name="test").append("three\n")
    assert path.read_text() == "one\nthree\n"
    assert [(line["event"], line["octets"]) for line in lines] == [("test.torn_line_cut", 2)]


async def test_a_dash_names_the_output() -> None:
    output = io.StringIO()
    file = line_file("-", output, name="test")
    assert isinstance(file, LineOutput)
    await file.append("one\n")
    assert output.getvalue() == "one\n"


async def test_a_file_whose_folder_is_gone_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await LineFile(tmp_path / "gone" / "lines", name="test").append("one\n")
