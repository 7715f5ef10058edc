"""What the commands of `keys` do to the two files, say, and put on record."""

import asyncio
import json
import os
import pwd
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from gateway.cli.keys.custodian import Custodian
from gateway.cli.keys.encryption_key_file import put_new_first
from gateway.custody import FaultyCredentials, KeyPlaces
from gateway.custody.encryption_keys import read_encryption_keys
from gateway.custody.locking import locked
from gateway.custody.sealed import SealedFile, open_sealed, read_sealed
from gateway.domain.audit import SHELL, AuditEntry, AuditEvent, AuditKind
from gateway.domain.audit_chain import from_text
from gateway.domain.audit_check import FILE, REDIS, AuditCheck
from gateway.domain.signing import KeySlot, Purpose
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import open_redis
from tests.valkey import ValkeyServer

READ, TRADE = KeySlot("demo", Purpose.READ), KeySlot("demo", Purpose.TRADE)
DONE, MISUSE = 0, 2


class Desk:
    """A folder with a sealed file and its key-encryption keys, and who works on them."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.file, self.kek_file = folder / "keys.json", folder / "kek"
        self.custodian = Custodian(environ, self.file, self.kek_file)

    def pair(self, name: str) -> str:
        """A file with a key and a secret."""
        file = self.folder / name
        file.write_text(f"canary-key-{name}\ncanary-secret-{name}\n")
        return str(file)

    def add(self, name: str, purpose: Purpose = Purpose.TRADE) -> int:
        return self.custodian.add("demo", purpose, self.pair(name))

    def sealed(self) -> SealedFile:
        keys = KeyPlaces(encryption_key_file=self.kek_file).encryption_keys()
        numbers = count()
        return open_sealed(
            self.file,
            keys,
            wall_ms=lambda: next(numbers),
            random_bytes=lambda length: next(numbers).to_bytes(length),
        )

    def in_use(self) -> dict[KeySlot, str]:
        """The version that the gateway would use in each slot."""
        found = read_sealed(self.file, read_encryption_keys(self.kek_file))
        return {slot: key.version for slot, key in found.keys.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose files have been made, without a key."""
    made = Desk(tmp_path, {})
    assert made.custodian.init() == DONE
    return made


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return "".join(capsys.readouterr())


def test_init_makes_two_files_for_their_owner_only(desk: Desk) -> None:
    for path in (desk.file, desk.kek_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert desk.sealed().entries() == ()


def test_init_overwrites_neither_file(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = desk.file.read_bytes(), desk.kek_file.read_bytes()
    assert desk.custodian.init() == MISUSE
    assert "keys.json: is there already" in told(capsys)
    assert (desk.file.read_bytes(), desk.kek_file.read_bytes()) == before
    desk.kek_file.rename(desk.folder / "elsewhere")
    assert desk.custodian.init() == MISUSE
    assert "keys.json: is there already" in told(capsys)
    assert not desk.kek_file.exists()
    assert (desk.file.read_bytes(), (desk.folder / "elsewhere").read_bytes()) == before


def test_a_lost_sealed_file_is_made_anew_for_the_key_encryption_key_that_is_there(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    kek = desk.kek_file.read_bytes()
    desk.file.unlink()
    assert desk.custodian.init() == DONE
    assert "kek was there" in told(capsys)
    assert desk.kek_file.read_bytes() == kek
    desk.file.unlink()
    desk.kek_file.write_text("no key\n")
    assert desk.custodian.init() == MISUSE
    assert not desk.file.exists()


def test_init_with_a_key_of_the_environment_makes_the_sealed_file_alone(tmp_path: Path) -> None:
    key = f"2026 {'A' * 43}="
    custodian = Custodian({"NGW_KEY_ENCRYPTION_KEY": key}, tmp_path / "keys.json", None)
    assert custodian.init() == DONE
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", "keys.json.lock"}


def test_without_a_key_encryption_key_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Custodian({}, tmp_path / "keys.json", None).init() == MISUSE
    assert "NGW_KEY_ENCRYPTION_KEY" in told(capsys)
    assert list(tmp_path.iterdir()) == []


def test_the_first_key_of_a_slot_is_in_use_and_the_next_one_waits(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    desk.add("read", Purpose.READ)
    desk.add("two")
    assert desk.in_use() == {READ: "1", TRADE: "1"}
    assert "'keys rotate demo trade --version 2' probes it" in told(capsys)
    assert desk.sealed().credential(TRADE, 2).api_secret == "canary-secret-two"


def test_list_shows_everything_but_the_keys(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.add("one")
    desk.add("two")
    told(capsys)
    assert desk.custodian.show() == DONE
    headings, *rows = told(capsys).splitlines()
    assert headings.split() == ["ACCOUNT", "PURPOSE", "VERSION", "STATE", "AGE", "KEK"]
    kek = read_encryption_keys(desk.kek_file).newest
    assert [row.split() for row in rows] == [
        ["demo", "trade", "1", "active", "0", "min", kek],
        ["demo", "trade", "2", "pending", "0", "min", kek],
    ]


def test_list_names_an_entry_that_does_not_open(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    desk.add("read", Purpose.READ)
    content = json.loads(desk.file.read_text())
    first, second = content["entries"]
    first["pair"], second["pair"] = second["pair"], first["pair"]
    desk.file.write_text(json.dumps(content))
    told(capsys)
    assert desk.custodian.show() == MISUSE
    assert "read key of account 'demo', version 1 does not open" in told(capsys)


def test_nothing_is_added_to_a_file_of_which_an_entry_does_not_open(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    entries = json.loads(desk.file.read_text())
    entries["entries"][0]["account"] = "other"
    desk.file.write_text(json.dumps(entries))
    before = desk.file.read_bytes()
    assert desk.add("two") == MISUSE
    assert desk.custodian.rotate("demo", Purpose.TRADE, desk.pair("three"), None) == MISUSE
    assert told(capsys).count("does not open") == 2
    assert desk.file.read_bytes() == before


def test_what_is_not_there_is_not_probed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.add("one")
    assert desk.custodian.probe("dmeo", Purpose.TRADE, None) == MISUSE
    assert "there is no key of dmeo/trade; 'keys list'" in told(capsys)


def test_a_key_in_use_is_retired_only_when_that_is_said(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    assert desk.custodian.retire("demo", Purpose.TRADE, 1, active=False) == MISUSE
    assert desk.in_use() == {TRADE: "1"}
    assert "demo/trade@1 is active: rotate first" in told(capsys)
    assert desk.custodian.retire("demo", Purpose.TRADE, 1, active=True) == DONE
    assert desk.in_use() == {}


def test_a_waiting_key_is_retired_at_once(desk: Desk) -> None:
    desk.add("one")
    desk.add("two")
    assert desk.custodian.retire("demo", Purpose.TRADE, 2, active=False) == DONE
    assert [entry.label.state for entry in desk.sealed().entries()] == ["active", "retired"]


def test_a_version_that_is_not_there_is_named(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.custodian.retire("demo", Purpose.TRADE, 7, active=False) == MISUSE
    assert "there is no demo/trade@7" in told(capsys)


def test_reseal_with_a_new_key_encryption_key_lets_the_old_one_go(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    old = read_encryption_keys(desk.kek_file).newest
    assert desk.custodian.reseal(new_kek=True) == DONE
    assert f"Back {desk.kek_file} up now" in told(capsys)
    new, kept = desk.kek_file.read_text().splitlines()
    assert kept.startswith(f"{old} ")
    desk.kek_file.write_text(f"{new}\n")
    assert desk.sealed().credential(TRADE, 1).api_key == "canary-key-one"
    desk.kek_file.write_text(f"{kept}\n")
    with pytest.raises(FaultyCredentials):
        desk.sealed().credential(TRADE, 1)


def test_a_new_key_encryption_key_waits_for_whoever_puts_one_into_the_file(desk: Desk) -> None:
    desk.add("one")
    before = desk.kek_file.read_text()
    with ThreadPoolExecutor() as pool:
        with locked(desk.kek_file):
            waiting = pool.submit(desk.custodian.reseal, new_kek=True)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            assert desk.kek_file.read_text() == before
            put_new_first(desk.kek_file, os.urandom, datetime.now(UTC))
            desk.sealed().reseal()
        assert waiting.result() == DONE
    assert len(desk.kek_file.read_text().splitlines()) == 3
    assert desk.in_use() == {TRADE: "1"}


def test_reseal_alone_makes_no_key(desk: Desk) -> None:
    before = desk.kek_file.read_text()
    assert desk.custodian.reseal(new_kek=False) == DONE
    assert desk.kek_file.read_text() == before


def test_a_pair_that_cannot_be_one_changes_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    file = desk.folder / "pair"
    file.write_text("only-one-line\n")
    assert desk.custodian.add("demo", Purpose.READ, str(file)) == MISUSE
    assert "only-one-line" not in told(capsys)
    assert desk.sealed().entries() == ()


def test_no_key_is_told_or_stands_in_the_sealed_file(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.add("one")
    desk.add("two")
    desk.custodian.show()
    desk.custodian.reseal(new_kek=True)
    desk.custodian.retire("demo", Purpose.TRADE, 2, active=False)
    assert "canary" not in told(capsys)
    assert b"canary" not in desk.file.read_bytes()


def test_a_change_without_a_record_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys)
    desk.add("one")
    assert "not on record: NGW_STATE_REDIS_URL is not set" in told(capsys)


def shell_user() -> str:
    return f"shell:{pwd.getpwuid(os.getuid()).pw_name}"


def entries_of(valkey: ValkeyServer) -> list[AuditEntry]:
    """The whole audit log, the oldest first."""

    async def read() -> list[AuditEntry]:
        async with open_redis(
            valkey.url, connect_timeout=5, command_timeout=5, max_connections=1
        ) as redis:
            stream = AuditStream(redis, retention_ms=1)
            return [from_text(text) async for _, text in stream.follow()]

    return asyncio.run(read())


def on_record(valkey: ValkeyServer) -> list[AuditEvent]:
    """What the audit log says of keys, the oldest first."""
    events = [entry.event for entry in entries_of(valkey)]
    return [event for event in events if event.kind is AuditKind.KEYS]


def test_each_change_is_on_record_before_it_is_made_and_after(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    desk = Desk(tmp_path, {"NGW_STATE_REDIS_URL": valkey.url})
    desk.custodian.init()
    desk.add("one")
    events = on_record(valkey)
    assert [(event.action, event.outcome) for event in events] == [
        ("key.init", "BEGUN"),
        ("key.init", "OK"),
        ("key.add", "BEGUN"),
        ("key.add", "OK"),
    ]
    added = events[-1]
    assert added.principal == shell_user()
    assert added.account == "demo"
    assert {"purpose": "trade", "version": "1", "state": "active"}.items() <= added.detail.items()
    assert "canary" not in repr(events)


def test_a_command_s_writer_is_told_from_a_gateway_s(tmp_path: Path, valkey: ValkeyServer) -> None:
    Desk(tmp_path, {"NGW_STATE_REDIS_URL": valkey.url}).custodian.init()
    assert all(entry.writer.startswith(SHELL) for entry in entries_of(valkey))
    check = AuditCheck(time.time_ns() // 1_000_000 + 3_600_000)
    check.read(REDIS, [("Redis", entry) for entry in entries_of(valkey)])
    check.read(FILE, ())
    assert check.report().findings == ()


def test_nobody_is_on_record_under_a_name_of_their_choice(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    desk = Desk(tmp_path, {})
    chosen = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "alice")
    subprocess.run(
        [sys.executable, "-m", "gateway.cli", "keys", "init"],
        env={
            "PATH": os.environ["PATH"],
            "NGW_STATE_REDIS_URL": valkey.url,
            "NGW_KEYS_FILE": str(desk.file),
            "NGW_KEY_ENCRYPTION_KEY_FILE": str(desk.kek_file),
            **chosen,
        },
        check=True,
    )
    assert {event.principal for event in on_record(valkey)} == {shell_user()}


def test_a_change_that_fails_is_on_record_as_such(tmp_path: Path, valkey: ValkeyServer) -> None:
    desk = Desk(tmp_path, {"NGW_STATE_REDIS_URL": valkey.url})
    desk.custodian.init()
    assert desk.custodian.init() == MISUSE
    assert [event.outcome for event in on_record(valkey)] == ["BEGUN", "OK", "BEGUN", "FAILED"]


def test_what_cannot_be_put_on_record_is_not_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"NGW_STATE_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    desk = Desk(tmp_path, environ)
    assert desk.custodian.init() == MISUSE
    assert "NGW_STATE_REDIS_URL: the audit log there cannot be written" in told(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_wrong_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"NGW_STATE_REDIS_URL": "http://user:canary@redis", "NGW_ORDER_WINDOW_MS": "long"}
    assert Desk(tmp_path, environ).custodian.init() == MISUSE
    faults = told(capsys)
    assert "NGW_STATE_REDIS_URL: " in faults
    assert "NGW_ORDER_WINDOW_MS: " in faults
    assert "canary" not in faults
