import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.sealed import SealedFile, create, open_sealed, read_sealed
from gateway.custody.sources import FaultyCredentials
from tests.unit.custody.examples import NOW, slot

KEYS = EncryptionKeys("a", {"a": b"a" * 32})
NEWER = EncryptionKeys("b", {"b": b"b" * 32, "a": b"a" * 32})
TRADE, READ = slot("demo/trade"), slot("demo/read")

Rows = list[dict[str, Any]]


def opened(path: Path, keys: EncryptionKeys = KEYS) -> SealedFile:
    return open_sealed(path, keys, wall_ms=lambda: NOW, random_bytes=os.urandom)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "keys.sealed"
    create(file)
    return file


@pytest.fixture
def sealed(path: Path) -> SealedFile:
    """Two versions of the trade key, the first of them in use, and a read key."""
    file = opened(path)
    file.add(TRADE, "the-key-1", "the-secret-1")
    file.add(TRADE, "the-key-2", "the-secret-2")
    file.add(READ, "the-key-r", "the-secret-r")
    return file


def states(sealed: SealedFile) -> list[str]:
    return [f"{entry.label.key_id} {entry.label.state}" for entry in sealed.entries()]


def in_use(path: Path, keys: EncryptionKeys = KEYS) -> dict[str, str]:
    found = read_sealed(path, keys).keys
    return {f"{slot}@{key.version}": key.credential.api_key for slot, key in found.items()}


def edit(path: Path, change: Callable[[Rows], None]) -> None:
    content = json.loads(path.read_bytes())
    change(content["entries"])
    path.write_text(json.dumps(content), encoding="utf-8")


def refusal(path: Path, keys: EncryptionKeys = KEYS) -> tuple[str, ...]:
    with pytest.raises(FaultyCredentials) as refused:
        read_sealed(path, keys)
    assert "the-" not in str(refused.value)
    return refused.value.faults


def test_a_new_file_is_empty_and_its_owners_alone(path: Path) -> None:
    assert opened(path).entries() == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_made_anew(path: Path, sealed: SealedFile) -> None:
    with pytest.raises(FaultyCredentials, match="is there already"):
        create(path)
    assert len(sealed.entries()) == 3


def test_the_first_key_of_a_slot_is_in_use_and_later_ones_wait(
    path: Path, sealed: SealedFile
) -> None:
    assert states(sealed) == ["demo/read@1 active", "demo/trade@1 active", "demo/trade@2 pending"]
    assert in_use(path) == {"demo/read@1": "the-key-r", "demo/trade@1": "the-key-1"}
    assert {entry.label.created for entry in sealed.entries()} == {NOW}


def test_a_version_that_is_activated_takes_the_place_of_the_one_before(
    path: Path, sealed: SealedFile
) -> None:
    sealed.activate(TRADE, 2)
    assert states(sealed) == ["demo/read@1 active", "demo/trade@1 pending", "demo/trade@2 active"]
    assert in_use(path)["demo/trade@2"] == "the-key-2"
    sealed.activate(TRADE, 1)
    assert in_use(path)["demo/trade@1"] == "the-key-1"


def test_a_version_that_is_retired_is_used_no_more_and_its_number_not_again(
    path: Path, sealed: SealedFile
) -> None:
    sealed.retire(TRADE, 1)
    sealed.retire(TRADE, 2)
    assert in_use(path) == {"demo/read@1": "the-key-r"}
    assert sealed.add(TRADE, "the-key-3", "the-secret-3") == 3


def test_every_version_can_be_opened_whatever_its_state(sealed: SealedFile) -> None:
    sealed.retire(TRADE, 1)
    credential = sealed.credential(TRADE, 1)
    assert (credential.api_key, credential.api_secret) == ("the-key-1", "the-secret-1")


def test_a_version_that_is_not_there_is_a_fault(sealed: SealedFile) -> None:
    for change in (sealed.activate, sealed.retire, sealed.credential):
        with pytest.raises(FaultyCredentials, match="no trade key of account 'demo', version 9"):
            change(TRADE, 9)


def test_resealing_needs_the_old_key_once_and_then_no_more(path: Path, sealed: SealedFile) -> None:
    before = in_use(path)
    assert opened(path, NEWER).reseal() == 3
    assert opened(path, NEWER).reseal() == 0
    assert {entry.encryption_key for entry in sealed.entries()} == {"b"}
    assert in_use(path, EncryptionKeys("b", {"b": b"b" * 32})) == before
    assert len(refusal(path)) == 3


@pytest.mark.parametrize(
    ("name", "api_key", "api_secret"),
    [(".demo/trade", "the-key", "the-x"), ("a/trade", "", "the-x"), ("a/trade", "the-key", "x y")],
)
def test_what_is_no_account_or_no_key_is_not_sealed(
    sealed: SealedFile, name: str, api_key: str, api_secret: str
) -> None:
    with pytest.raises(FaultyCredentials) as refused:
        sealed.add(slot(name), api_key, api_secret)
    assert "the-" not in str(refused.value)
    assert len(sealed.entries()) == 3


def swap(*fields: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for name in fields:
            rows[0][name], rows[1][name] = rows[1][name], rows[0][name]

    return change


def setting(name: str, value: object) -> Callable[[Rows], None]:
    return lambda rows: rows[1].update({name: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(swap("pair"), ["read", "trade"], id="pairs swapped"),
        pytest.param(swap("pair", "data_key"), ["read", "trade"], id="envelopes swapped"),
        pytest.param(swap("purpose"), ["trade", "read"], id="purposes swapped"),
        pytest.param(setting("account", "other"), ["trade"], id="account edited"),
        pytest.param(setting("state", "retired"), ["trade"], id="state edited"),
        pytest.param(setting("created", NOW + 1), ["trade"], id="time edited"),
        pytest.param(setting("pair", ""), ["trade"], id="pair cut"),
    ],
)
def test_a_file_with_an_entry_that_does_not_open_is_refused_whole_and_names_it(
    path: Path, sealed: SealedFile, change: Callable[[Rows], None], named: list[str]
) -> None:
    assert len(sealed.entries()) == 3
    edit(path, change)
    told = refusal(path)
    assert len(told) == len(named)
    for fault in told:
        assert any(f"{name} key of account" in fault for name in named)
        assert "version 1 does not open" in fault


def test_of_two_entries_with_one_name_neither_counts(path: Path, sealed: SealedFile) -> None:
    assert sealed.entries()
    edit(path, lambda rows: rows.append(rows[1]))
    told = refusal(path)
    assert any("demo" in fault and "2 times" in fault for fault in told)
    assert any("2 versions of demo/trade in use" in fault for fault in told)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text[:-20], id="truncated"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"[]", id="no object"),
        pytest.param(lambda text: text.replace(b'"version": 1,', b'"version": 2,', 1), id="newer"),
        pytest.param(lambda text: text.replace(b'"state"', b'"status"', 1), id="misnamed"),
        pytest.param(lambda text: text.replace(b'"trade"', b'"sell"', 1), id="no purpose"),
    ],
)
def test_what_is_no_sealed_file_is_refused(
    path: Path, sealed: SealedFile, spoil: Callable[[bytes], bytes]
) -> None:
    assert sealed.entries()
    path.write_bytes(spoil(path.read_bytes()))
    assert refusal(path) == (f"{path}: is no sealed file, or was cut; restore it from its backup.",)
    with pytest.raises(FaultyCredentials, match="is no sealed file"):
        opened(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent")[0]


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path, sealed: SealedFile) -> None:
    before = path.read_bytes()
    with pytest.raises(FaultyCredentials):
        opened(path, EncryptionKeys("a", {"a": b"x" * 32})).activate(TRADE, 2)
    assert path.read_bytes() == before
    assert len(sealed.entries()) == 3


def test_nothing_of_a_key_is_in_the_file_nor_left_beside_it(path: Path, sealed: SealedFile) -> None:
    sealed.activate(TRADE, 2)
    assert b"the-" not in path.read_bytes()
    names = {file.name for file in path.parent.iterdir()}
    assert names == {path.name, f"{path.name}.lock"}


def add_many(path: Path, together: Barrier) -> None:
    file = opened(path)
    for _ in range(25):
        together.wait(timeout=60)
        file.add(TRADE, "the-key", "the-secret")


def test_writers_wait_for_each_other_and_none_loses_a_key(path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    together = processes.Barrier(2)
    writers = [processes.Process(target=add_many, args=(path, together)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [entry.label.version for entry in opened(path).entries()] == [*range(1, 51)]
