"""A file of key-encryption keys is made once, and grows at its beginning."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.keys.encryption_key_file import make, put_new_first
from gateway.custody import FaultyCredentials
from gateway.custody.encryption_keys import read_encryption_keys

NOW = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


def test_a_key_is_named_for_its_day_and_two_of_a_day_differ(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    make(file, os.urandom, NOW)
    put_new_first(file, os.urandom, NOW)
    keys = read_encryption_keys(file)
    assert len(keys.by_id) == 2
    assert all(key_id.startswith("2026-01-31-") for key_id in keys.by_id)


def test_the_newest_key_stands_first_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    make(file, os.urandom, NOW)
    before = file.read_text()
    put_new_first(file, os.urandom, NOW)
    new, *kept = file.read_text().splitlines(keepends=True)
    assert "".join(kept) == before
    assert new.startswith(read_encryption_keys(file).newest)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    file.write_text("mine")
    with pytest.raises(FaultyCredentials, match="is there already"):
        make(file, os.urandom, NOW)
    assert file.read_text() == "mine"


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyCredentials, match="cannot be made"):
        make(tmp_path / "none" / "kek", os.urandom, NOW)
    with pytest.raises(FaultyCredentials, match="cannot be changed"):
        put_new_first(tmp_path / "none" / "kek", os.urandom, NOW)
