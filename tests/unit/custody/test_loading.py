import json
from pathlib import Path

import pytest

from gateway.custody.keyring import Keyring
from gateway.custody.loading import FaultyCredentials, load_keyring

PAIR = {"api_key": "the-key", "api_secret": "the-secret"}
TEXT = json.dumps({"demo": PAIR})


def put(folder: Path, account: str, *, key: str = "file-key", secret: str = "file-secret") -> None:
    (folder / account).mkdir(parents=True)
    for name, value in (("api-key", key), ("api-secret", secret)):
        file = folder / account / name
        file.write_text(value, encoding="utf-8")
        file.chmod(0o600)


def faults(folder: Path | None = None, text: str | None = None) -> tuple[str, ...]:
    with pytest.raises(FaultyCredentials) as refusal:
        load_keyring(folder, text)
    assert "the-" not in str(refusal.value)
    assert "file-" not in str(refusal.value)
    return refusal.value.faults


def header(keyring: Keyring, account: str) -> str:
    return keyring.signer(account)("").header[1]


def test_a_folder_for_each_account_makes_a_keyring_without_warnings(tmp_path: Path) -> None:
    put(tmp_path, "demo")
    put(tmp_path, "savings", key="other-key")
    loaded = load_keyring(tmp_path)
    assert loaded.keyring.accounts == ("demo", "savings")
    assert header(loaded.keyring, "savings") == "other-key"
    assert loaded.warnings == ()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_end_of_the_line_is_no_part_of_the_value(tmp_path: Path, end: str) -> None:
    put(tmp_path, "demo", key=f"file-key{end}", secret=f"file-secret{end}")
    assert header(load_keyring(tmp_path).keyring, "demo") == "file-key"


def test_a_kubernetes_mount_is_read_through_its_links(tmp_path: Path) -> None:
    put(tmp_path / "..2026_01_31", "demo")
    (tmp_path / "..data").symlink_to("..2026_01_31")
    (tmp_path / "demo").symlink_to("..data/demo")
    assert load_keyring(tmp_path).keyring.accounts == ("demo",)


def test_a_text_makes_a_keyring() -> None:
    assert header(load_keyring(text=TEXT).keyring, "demo") == "the-key"


def test_folder_and_text_add_up(tmp_path: Path) -> None:
    put(tmp_path, "savings")
    assert load_keyring(tmp_path, TEXT).keyring.accounts == ("demo", "savings")


def test_an_account_in_both_places_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, "demo")
    (fault,) = faults(tmp_path, TEXT)
    assert "'demo'" in fault
    assert "both places" in fault


def test_no_account_at_all_is_a_fault_that_says_where_to_put_one(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path)
    assert "NGW_CREDENTIALS_DIR" in fault
    assert faults(None, "{}") == (fault,)


def test_a_file_that_others_may_read_is_a_warning_only(tmp_path: Path) -> None:
    put(tmp_path, "demo")
    (tmp_path / "demo" / "api-secret").chmod(0o644)
    (warning,) = load_keyring(tmp_path).warnings
    assert str(tmp_path / "demo" / "api-secret") in warning
    assert "0644" in warning


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    put(tmp_path, "empty", key="")
    put(tmp_path, "long", secret="x" * 4097)
    put(tmp_path, "spaced", key="file- key")
    put(tmp_path, "accented", key="file-käy")
    put(tmp_path, "two lines", key="file-\nkey")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "api-key").mkdir()
    (tmp_path / "stray.txt").write_text("the-secret", encoding="ascii")
    told = faults(tmp_path, '{"text": {"api_key": "the-key"}}')
    places = [
        "accented/api-key",
        "empty/api-key",
        "half/api-key",
        "half/api-secret",
        "long/api-secret",
        "spaced/api-key",
        "stray.txt",
        "two lines/api-key",
        "two lines",
    ]
    for place, fault in zip(places, told, strict=False):
        assert fault.startswith(f"{tmp_path / place}: ")
    assert len(told) == len(places) + 1
    assert "account 'text'" in told[-1]


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "absent")
    assert fault.startswith(f"{tmp_path / 'absent'}: cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("the-secret", id="no JSON"),
        pytest.param('["the-secret"]', id="no object"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('{"demo": "the-secret"}', id="no pair"),
        pytest.param('{"demo": {"api_key": "the-key"}}', id="half a pair"),
        pytest.param('{"demo": {"api_key": "the-key", "api_secret": 5}}', id="a number"),
        pytest.param('{"demo": {"api_key": "the-key", "api_secret": "the- x"}}', id="a space"),
        pytest.param(json.dumps({"demo": PAIR | {"note": "the-note"}}), id="one name too many"),
        pytest.param(json.dumps({".demo": PAIR}), id="an account with a leading dot"),
        pytest.param(json.dumps({"a/b": PAIR}), id="an account with a slash"),
    ],
)
def test_a_text_of_another_form_is_a_fault_that_names_the_setting(text: str) -> None:
    (fault,) = faults(text=text)
    assert fault.startswith("NGW_CREDENTIALS")
