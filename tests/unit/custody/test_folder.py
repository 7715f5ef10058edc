from pathlib import Path

import pytest

from gateway.custody.folder import read_folder
from gateway.custody.sources import FaultyCredentials, FoundKeys
from tests.unit.custody.examples import put, slot


def faults(folder: Path) -> tuple[str, ...]:
    with pytest.raises(FaultyCredentials) as refusal:
        read_folder(folder)
    assert "the-" not in str(refusal.value)
    return refusal.value.faults


def api_key(found: FoundKeys, name: str) -> str:
    return found.keys[slot(name)].credential.api_key


def test_a_folder_for_each_purpose_of_each_account_is_read_without_warnings(tmp_path: Path) -> None:
    for name in ("demo/read", "demo/trade", "demo/withdraw", "savings/read"):
        put(tmp_path / name, api_key=f"the-key-{name}")
    found = read_folder(tmp_path)
    assert found.warnings == ()
    assert {str(slot) for slot in found.keys} == {
        "demo/read",
        "demo/trade",
        "demo/withdraw",
        "savings/read",
    }
    assert api_key(found, "demo/trade") == "the-key-demo/trade"


def test_a_pair_whose_purpose_is_not_said_reads_and_trades(tmp_path: Path) -> None:
    put(tmp_path / "demo")
    found = read_folder(tmp_path)
    assert found.keys.keys() == {slot("demo/read"), slot("demo/trade")}
    assert api_key(found, "demo/read") == api_key(found, "demo/trade") == "the-key"


def test_a_purpose_may_stand_beside_such_a_pair_if_the_pair_is_not_for_it(tmp_path: Path) -> None:
    put(tmp_path / "demo")
    put(tmp_path / "demo" / "withdraw")
    assert len(read_folder(tmp_path).keys) == 3
    put(tmp_path / "demo" / "read")
    (fault,) = faults(tmp_path)
    assert fault.startswith(f"{tmp_path}/demo/read: is a second key for demo/read")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_the_value(tmp_path: Path, end: str) -> None:
    put(tmp_path / "demo", api_key=f"the-key{end}", api_secret=f"the-secret{end}")
    assert api_key(read_folder(tmp_path), "demo/read") == "the-key"


def test_a_kubernetes_mount_is_read_through_its_links(tmp_path: Path) -> None:
    mount = tmp_path / "demo" / "read"
    put(mount / "..2026_01_31")
    (mount / "..data").symlink_to("..2026_01_31")
    for name in ("api-key", "api-secret"):
        (mount / name).symlink_to(f"..data/{name}")
    assert read_folder(tmp_path).keys.keys() == {slot("demo/read")}


def test_a_file_that_others_may_read_is_a_warning_only(tmp_path: Path) -> None:
    put(tmp_path / "demo" / "read")
    file = tmp_path / "demo" / "read" / "api-secret"
    file.chmod(0o640)
    assert read_folder(tmp_path).warnings == ()
    file.chmod(0o644)
    (warning,) = read_folder(tmp_path).warnings
    assert str(file) in warning
    assert "0644" in warning


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    put(tmp_path / "accented", api_key="the-käy")
    put(tmp_path / "empty" / "trade", api_key="")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "api-key").mkdir()
    put(tmp_path / "long", api_secret="the-" + "x" * 4093)
    put(tmp_path / "misspelt" / "trades")
    put(tmp_path / "spaced", api_key="the- key")
    (tmp_path / "stray.txt").write_text("the-secret", encoding="ascii")
    put(tmp_path / "two lines", api_key="the-\nkey")
    told = faults(tmp_path)
    places = [
        "accented/api-key",
        "empty/trade/api-key",
        "half/api-key",
        "half/api-secret",
        "long/api-secret",
        "misspelt/api-key",
        "misspelt/api-secret",
        "misspelt/trades",
        "spaced/api-key",
        "stray.txt",
        "two lines",
        "two lines/api-key",
    ]
    assert [fault.split(": ")[0] for fault in told] == [str(tmp_path / it) for it in places]


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "absent")
    assert fault.startswith(f"{tmp_path / 'absent'}: cannot be read")


def test_a_changed_pair_has_another_version(tmp_path: Path) -> None:
    versions = set()
    pairs = [("the-key", "the-secret"), ("the-other", "the-secret"), ("the-key", "the-other")]
    for number, (left, right) in enumerate([*pairs, pairs[0]]):
        put(tmp_path / str(number) / "demo", api_key=left, api_secret=right)
        versions.add(read_folder(tmp_path / str(number)).keys[slot("demo/read")].version)
    assert len(versions) == 3
