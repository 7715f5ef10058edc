"""What the commands of `vkeys` do to Redis, say, and put on record."""

import asyncio
import hashlib
import hmac
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from gateway.cli.vkeys.desk import VirtualKeyDesk
from gateway.custody import key_digest
from gateway.custody.encryption_keys import new_encryption_key, read_encryption_keys
from gateway.custody.virtual_sealing import open_virtual
from gateway.domain.audit import SHELL, AuditEvent, AuditKind
from gateway.store.audit_stream import AuditStream
from gateway.store.virtual_keys import KEY, VirtualKeyStore
from tests.unit.store.examples import open_patient
from tests.valkey import ValkeyServer

DONE, UNKNOWN, MISUSE = 0, 1, 2
POLICY = """\
version: 1
accounts: [demo, vault]
principals:
  - id: desk
    kind: app
    grants:
      - {id: all, account: demo, actions: [account:read, "orders:place", "orders:cancel"]}
      - {id: read, account: vault, actions: [account:read]}
  - {id: idle, kind: app}
  - {id: anonymous, kind: app, grants: [{id: market, actions: [market:read]}]}
"""
PAIR = re.compile(r"VIRTUAL_API_KEY=(\w{64})\nVIRTUAL_API_SECRET=(\w{64})\n", re.ASCII)

T = TypeVar("T")


@dataclass
class Office:
    """A Redis, a policy, a file of key-encryption keys, and who works with them."""

    valkey: ValkeyServer
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __post_init__(self) -> None:
        self.kek_file, self.policy_file = self.folder / "kek", self.folder / "policy.yaml"
        self.policy_file.write_text(POLICY)
        self.seal_with("a")

    @property
    def environ(self) -> dict[str, str]:
        return {
            "NGW_STATE_REDIS_URL": self.valkey.url,
            "NGW_POLICY_FILE": str(self.policy_file),
        }

    @property
    def desk(self) -> VirtualKeyDesk:
        return VirtualKeyDesk(self.environ, self.kek_file)

    def seal_with(self, name: str, *, before: str = "") -> None:
        """Have one more key-encryption key, before the others, or `before` alone behind it."""
        self.kek_file.write_text(new_encryption_key(name, os.urandom) + before)
        self.kek_file.chmod(0o600)

    def issue(self) -> tuple[str, str, str]:
        """An id and a pair."""
        assert self.desk.issue("desk", "demo") == DONE
        printed = self.capsys.readouterr()
        found = PAIR.fullmatch(printed.out)
        assert found is not None, printed
        said = re.match(r"(vk-[0-9a-f]{12}) lets its holder act as desk on demo", printed.err)
        assert said is not None, printed
        return said[1], found[1], found[2]

    def told(self) -> str:
        return "".join(self.capsys.readouterr())

    def entries(self) -> dict[str, bytes]:
        return self.ask(lambda store, _audit: store.all())

    def put(self, place: str | bytes, entry: bytes) -> None:
        """Write into Redis, as whoever can."""

        async def put() -> None:
            async with open_patient(self.valkey.url) as redis:
                await redis.hset(KEY, place, entry)

        asyncio.run(put())

    def on_record(self) -> list[AuditEvent]:
        """What the audit log says of keys, the oldest first."""
        page = self.ask(
            lambda _store, audit: audit.page(first=100, after=None, wanted=lambda _entry: True)
        )
        events = [entry.event for _, entry in reversed(page.entries)]
        return [event for event in events if event.kind is AuditKind.KEYS]

    def ask(self, question: Callable[[VirtualKeyStore, AuditStream], Awaitable[T]]) -> T:
        async def ask() -> T:
            async with open_patient(self.valkey.url) as redis:
                return await question(
                    VirtualKeyStore(redis), AuditStream(redis, retention_ms=10**9)
                )

        return asyncio.run(ask())


@pytest.fixture
def office(
    valkey: ValkeyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Office]:
    """One whose log goes elsewhere, as the commands have it."""
    with capture_logs():
        yield Office(valkey, tmp_path, capsys)


def test_the_pair_that_is_shown_is_the_one_that_proves(office: Office) -> None:
    key_id, api_key, api_secret = office.issue()
    ((digest, entry),) = office.entries().items()
    pair = open_virtual(digest, entry, read_encryption_keys(office.kek_file))
    assert digest == key_digest(api_key)
    assert (pair.key.id, pair.key.principal, pair.key.account) == (key_id, "desk", "demo")
    assert pair.verify(b"a", hmac.new(api_secret.encode(), b"a", hashlib.sha256).hexdigest())


def test_redis_is_never_told_key_or_secret(office: Office) -> None:
    _, api_key, api_secret = office.issue()
    office.desk.reseal()
    written = office.valkey.written()
    assert key_digest(api_key).encode() in written
    assert api_key.encode() not in written
    assert api_secret.encode() not in written


def test_list_shows_what_stands_and_never_a_key(office: Office) -> None:
    key_id, api_key, api_secret = office.issue()
    assert office.desk.show() == DONE
    told = office.told()
    headings, line = told.splitlines()
    assert headings.split() == ["ID", "PRINCIPAL", "ACCOUNT", "CREATED", "KEK"]
    assert line.split()[:3] == [key_id, "desk", "demo"]
    assert not any(part in told for part in (api_key, api_secret, key_digest(api_key)))


def test_list_says_which_do_not_open_and_shows_the_others(office: Office) -> None:
    lost, *_ = office.issue()
    office.seal_with("b")
    good, *_ = office.issue()
    assert office.desk.show() == MISUSE
    told = office.told()
    assert good in told
    assert f"virtual key '{lost}' does not open: the key-encryption key 'a' is not among" in told


def test_without_the_key_encryption_key_keys_are_listed_and_revoked_but_not_issued(
    office: Office,
) -> None:
    key_id, *_ = office.issue()
    without = VirtualKeyDesk(office.environ, None)
    assert without.show() == DONE
    assert "without the key-encryption key nobody knows whether they open" in office.told()
    assert without.issue("desk", "demo") == MISUSE
    assert "virtual keys: needs NGW_KEY_ENCRYPTION_KEY_FILE" in office.told()
    assert without.revoke(key_id) == DONE
    assert office.entries() == {}


def test_revoke_takes_the_one_of_that_id_and_no_other(office: Office) -> None:
    first, *_ = office.issue()
    second, *_ = office.issue()
    assert office.desk.revoke(first) == DONE
    assert f"{first} (desk on demo) is revoked" in office.told()
    assert office.desk.revoke(first) == MISUSE
    assert "there is no virtual key" in office.told()
    office.desk.show()
    assert second in office.told()


def test_revoke_takes_every_copy_of_a_key_for_who_writes_to_redis_can_make_one(
    office: Office,
) -> None:
    key_id, *_ = office.issue()
    ((_, entry),) = office.entries().items()
    office.put("0" * 64, entry)
    assert office.desk.revoke(key_id) == DONE
    assert office.entries() == {}


def test_all_keys_of_a_principal_are_revoked_in_one_go_and_each_is_told(office: Office) -> None:
    mine = {office.issue()[0], office.issue()[0]}
    office.desk.issue("desk", "vault")
    office.desk.issue("idle", "demo")
    office.told()
    assert office.desk.revoke_all("desk", "demo") == DONE
    assert set(re.findall(r"(vk-\w+) \(desk on demo\) is revoked", office.told())) == mine
    assert len(office.entries()) == 2
    assert office.desk.revoke_all("desk", "demo") == MISUSE
    assert "there is no virtual key of 'desk' on 'demo'" in office.told()
    assert office.desk.revoke_all("desk", None) == DONE
    assert "(desk on vault) is revoked" in office.told()
    (left,) = office.entries().values()
    assert b'"principal":"idle"' in left


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "by its digest": ("ab" * 32, "ab" * 32),
    "by how its digest begins": ("ab" * 32, "abababab"),
    "at a place that is no digest": ("junk", "junk"),
    "at a place that nobody can type": (b"\xff\x1b[2J", r"\udcff\x1b[2J"),
}


@pytest.mark.parametrize(("place", "name"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_revoked_by_what_list_shows_and_reseal_passes_again(
    office: Office, place: str | bytes, name: str
) -> None:
    key_id, *_ = office.issue()
    office.put(place, b"junk")
    assert office.desk.show() == MISUSE
    assert f"the entry '{name}" in office.told()
    assert office.desk.reseal() == MISUSE
    office.told()
    assert office.desk.revoke(name) == DONE
    assert f"the entry '{name}" in office.told()
    assert office.desk.reseal() == DONE
    office.desk.show()
    assert key_id in office.told()
    events = [event for event in office.on_record() if event.action == "vkey.revoke"]
    assert [event.outcome for event in events] == ["BEGUN", "OK"]
    assert all(event.detail["entry"].startswith(name) for event in events)


def test_a_beginning_that_fits_several_entries_or_is_too_short_revokes_none(
    office: Office,
) -> None:
    office.put("ab" * 32, b"junk")
    office.put("ab" * 31 + "cd", b"junk")
    assert office.desk.revoke("abababab") == MISUSE
    assert "several entries begin with 'abababab': write more of it" in office.told()
    office.ask(lambda store, _audit: store.remove("ab" * 32))
    assert office.desk.revoke("abababa") == MISUSE
    assert "there is no virtual key 'abababa'" in office.told()
    assert len(office.entries()) == 1


def test_reseal_has_every_entry_open_with_the_newest_key_alone(office: Office) -> None:
    office.issue()
    office.seal_with("b", before=office.kek_file.read_text())
    office.issue()
    assert office.desk.reseal() == DONE
    assert "every entry is sealed with b; 1 had another" in office.told()
    office.kek_file.write_text(office.kek_file.read_text().splitlines()[0])
    assert office.desk.show() == DONE


def test_reseal_changes_nothing_when_an_entry_does_not_open(office: Office) -> None:
    office.issue()
    before = office.entries()
    office.seal_with("b")
    assert office.desk.reseal() == MISUSE
    told = office.told()
    assert "is not among those given" in told
    assert "nothing was changed" in told
    assert office.entries() == before


@pytest.mark.parametrize(
    ("principal", "account", "told"),
    [
        ("dsek", "demo", "knows no 'dsek', but desk, idle, anonymous"),
        ("desk", "dmeo", "declares no 'dmeo', but demo, vault"),
        ("anonymous", "demo", "anonymous is whoever shows no key, so it is given none"),
        ("a b", "demo", "--principal: expected 1 to 64 of"),
        ("desk", "", "--account: expected 1 to 64 of"),
    ],
    ids=["principal", "account", "anonymous", "no-principal", "no-account"],
)
def test_whom_the_policy_does_not_know_gets_no_key(
    office: Office, principal: str, account: str, told: str
) -> None:
    assert office.desk.issue(principal, account) == MISUSE
    assert told in office.told()
    assert office.entries() == {}
    assert office.on_record() == []


def test_a_policy_with_faults_is_told_and_no_key_is_issued(office: Office) -> None:
    office.policy_file.write_text("version: 2\n")
    assert office.desk.issue("desk", "demo") == MISUSE
    assert "is no policy" in office.told()
    assert office.entries() == {}


def test_without_a_policy_it_says_that_nobody_was_looked_up(office: Office) -> None:
    environ = office.environ | {"NGW_POLICY_FILE": ""}
    assert VirtualKeyDesk(environ, office.kek_file).issue("who", "where") == DONE
    assert "not checked whether the policy knows who and where" in office.told()


@pytest.mark.parametrize(
    ("principal", "account", "lacking"),
    [
        ("desk", "vault", "desk no orders:place, no orders:cancel on vault"),
        ("idle", "demo", "idle no account:read, no orders:place, no orders:cancel on demo"),
    ],
    ids=["reader", "nobody"],
)
def test_it_warns_of_a_key_whose_holder_may_not_trade_or_read(
    office: Office, principal: str, account: str, lacking: str
) -> None:
    assert office.desk.issue(principal, account) == DONE
    told = office.told()
    assert f"warning: {office.policy_file} allows {lacking}\n" in told
    assert PAIR.search(told)


def test_it_warns_of_nothing_when_the_holder_may_trade_and_read(office: Office) -> None:
    assert office.desk.issue("desk", "demo") == DONE
    assert "warning" not in office.told()


def test_each_change_is_on_record_before_it_is_made_and_after(office: Office) -> None:
    key_id, api_key, api_secret = office.issue()
    office.desk.show()
    office.desk.reseal()
    office.desk.revoke(key_id)
    events = office.on_record()
    assert [(event.action, event.outcome) for event in events] == [
        (f"vkey.{action}", outcome)
        for action in ("issue", "reseal", "revoke")
        for outcome in ("BEGUN", "OK")
    ]
    for event in (events[0], events[-1]):
        assert event.principal.startswith(SHELL)
        assert event.account == "demo"
        assert {"key": key_id, "principal": "desk"}.items() <= event.detail.items()
    assert not any(part in repr(events) for part in (api_key, api_secret, key_digest(api_key)))


def test_what_cannot_be_put_on_record_is_not_done(office: Office) -> None:
    office.valkey.command("SET", "ngw:1:audit:{log}:entries", "in-the-way")
    assert office.desk.issue("desk", "demo") == MISUSE
    assert "what is not on record is not done" in office.told()
    assert office.entries() == {}


def test_with_redis_away_nothing_is_issued(office: Office) -> None:
    away = office.environ | {"NGW_STATE_REDIS_URL": "unix:///nonexistent/valkey.sock"}
    assert VirtualKeyDesk(away, office.kek_file).issue("desk", "demo") == MISUSE
    office.told()
    assert VirtualKeyDesk(away, office.kek_file).show() == UNKNOWN
    told = office.told()
    assert "NGW_STATE_REDIS_URL: the store is away" in told
    assert "vkeys list" not in told


def test_a_pair_that_nobody_was_shown_is_revoked(office: Office) -> None:
    command = [sys.executable, "-m", "gateway.cli", "vkeys", "issue"]
    command += ["--principal", "desk", "--account", "demo"]
    environ = os.environ | office.environ | {"NGW_KEY_ENCRYPTION_KEY_FILE": str(office.kek_file)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environ, text=True, check=False
        )
    assert done.returncode == MISUSE
    assert "could not be shown (No space left on device), so vk-" in done.stderr
    assert "Traceback" not in done.stderr
    assert office.entries() == {}


def test_what_has_to_be_set_is_told(office: Office) -> None:
    assert VirtualKeyDesk({}, office.kek_file).show() == MISUSE
    assert office.told().startswith("NGW_STATE_REDIS_URL: not set.")


def test_what_others_wrote_into_redis_commands_no_terminal(office: Office) -> None:
    key_id, *_ = office.issue()
    ((digest, entry),) = office.entries().items()
    forged = entry.replace(b'"principal":"desk"', b'"principal":"d\\u001b[2Jsk"')
    assert forged != entry
    office.ask(lambda store, _audit: store.add(digest, forged))
    assert office.desk.show() == MISUSE
    assert "\x1b" not in office.told()
    assert office.desk.revoke(key_id) == DONE
    assert "\x1b" not in office.told()
