import base64
from pathlib import Path

import pytest

from gateway.custody.encryption_keys import (
    new_encryption_key,
    parse_encryption_keys,
    read_encryption_keys,
)
from gateway.custody.sources import FaultyCredentials

SECOND = new_encryption_key("2026-b", lambda count: b"b" * count)
FIRST = new_encryption_key("2026-a", lambda count: b"a" * count)
SHORT = base64.b64encode(b"a" * 31).decode()


def written(folder: Path, mode: int) -> Path:
    file = folder / "keys"
    file.write_text(FIRST, encoding="ascii")
    file.chmod(mode)
    return file


def test_the_first_line_seals_and_every_line_opens() -> None:
    keys = parse_encryption_keys(f"# made in July\n{SECOND}\n{FIRST}", "here")
    assert keys.newest == "2026-b"
    assert keys.by_id == {"2026-b": b"b" * 32, "2026-a": b"a" * 32}


def test_a_file_of_keys_is_read(tmp_path: Path) -> None:
    assert read_encryption_keys(written(tmp_path, 0o640)).newest == "2026-a"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(FaultyCredentials, match=f"mode {mode:04o}"):
        read_encryption_keys(written(tmp_path, mode))


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyCredentials, match="No such file"):
        read_encryption_keys(tmp_path / "absent")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("the-key", id="no key"),
        pytest.param(f"the-key {SHORT}", id="too short"),
        pytest.param("the-key !!!", id="no base64"),
        pytest.param(f"the/key {FIRST.split()[1]}", id="no id"),
        pytest.param(FIRST.strip(), id="an id again"),
        pytest.param("ключ", id="no ASCII"),
    ],
)
def test_a_line_that_is_no_key_is_a_fault_with_its_number_and_not_its_text(line: str) -> None:
    with pytest.raises(FaultyCredentials) as refusal:
        parse_encryption_keys(f"{FIRST}\n{line}\n{SECOND}", "here")
    (fault,) = refusal.value.faults
    assert fault.startswith("here, line 3: ")
    assert "the" not in fault.replace("here", "").replace("the id", "")
    assert SHORT not in fault


@pytest.mark.parametrize("text", ["", "\n \n", "# none\n"])
def test_no_key_at_all_is_a_fault(text: str) -> None:
    with pytest.raises(FaultyCredentials, match="here: holds no key"):
        parse_encryption_keys(text, "here")


@pytest.mark.parametrize("key_id", ["", "a b", "a" * 65, "ü"])
def test_what_can_be_no_id_makes_no_key(key_id: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 letters"):
        new_encryption_key(key_id, bytes)


def test_another_file_is_told_in_few_lines() -> None:
    with pytest.raises(FaultyCredentials) as raised:
        parse_encryption_keys("{\n" * 36, "kek")
    assert len(raised.value.faults) == 4
    assert raised.value.faults[-1].startswith("kek: 36 lines in all are at fault")


def test_keys_do_not_show_themselves() -> None:
    assert repr(parse_encryption_keys(FIRST, "here")) == "EncryptionKeys(newest='2026-a')"
