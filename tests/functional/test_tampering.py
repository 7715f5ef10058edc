"""Files that were tampered with: a gateway refuses to start on one, and goes on without it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO, QUIET, VAULT, Exchange
from tests.functional.key_sources import DONE, Terminal
from tests.functional.ordering import accepted
from tests.functional.service import Service
from tests.processes import eventually

FAULTY = 2
"""What `serve` ends with when it cannot start."""


@dataclass
class Vaulted:
    """A gateway whose keys are in a sealed file, and who tampers with that."""

    service: Service
    file: Path
    encryption_keys: Path

    def rows(self) -> list[dict[str, Any]]:
        """The file's entries: demo's read key, demo's trade key, vault's trade key."""
        rows: list[dict[str, Any]] = json.loads(self.file.read_text())["entries"]
        return rows

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Have these entries in the file instead."""
        content = json.loads(self.file.read_text()) | {"entries": rows}
        self.file.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaulted]:
    """A gateway that these tests share."""
    folder = tmp_path_factory.mktemp("keys")
    with closing(Exchange(QUIET)) as exchange:
        terminal = Terminal(folder, exchange.url)
    for account, purpose in ((DEMO, "read"), (DEMO, "trade"), (VAULT, "trade")):
        added = terminal.keys("add", account.account_id, purpose, given=account.keys[0])
        assert added == DONE, terminal.printed
    settings = {"NGW_CREDENTIALS_DIR": "", **terminal.settings}
    with running_service(tmp_path_factory, settings=settings) as service:
        yield Vaulted(service, folder / "keys.json", folder / "kek")


@pytest.fixture
def vaulted(running: Vaulted) -> Iterator[Vaulted]:
    """It, with its files as they were before and after."""
    files = (running.file, running.encryption_keys)
    whole = [file.read_bytes() for file in files]
    yield running
    for file, content in zip(files, whole, strict=True):
        file.write_bytes(content)
        file.chmod(0o600)
    assert eventually(lambda: "keys" not in running.service.problems())


DEMO_TRADE, VAULT_TRADE, DEMO_READ = (
    f"{purpose} key of account '{account}', version 1 does not open"
    for account, purpose in (("demo", "trade"), ("vault", "trade"), ("demo", "read"))
)
NO_SEALED_FILE = "is no sealed file, or was cut"


def swap(first: int, second: int, *members: str) -> Callable[[Vaulted], None]:
    """Put what two entries hold in each other's places."""

    def tamper(vaulted: Vaulted) -> None:
        rows = vaulted.rows()
        one, other = rows[first], rows[second]
        for member in members:
            one[member], other[member] = other[member], one[member]
        vaulted.put(rows)

    return tamper


def change(**members: object) -> Callable[[Vaulted], None]:
    """Say something else of the trade key of the account demo."""

    def tamper(vaulted: Vaulted) -> None:
        rows = vaulted.rows()
        rows[1] |= members
        vaulted.put(rows)

    return tamper


def flip(vaulted: Vaulted) -> None:
    """Change one bit of what is sealed."""
    rows = vaulted.rows()
    pair = rows[1]["pair"]
    rows[1]["pair"] = ("B" if pair[20] == "A" else "A").join((pair[:20], pair[21:]))
    vaulted.put(rows)


def add(vaulted: Vaulted) -> None:
    """Give an account the key of another, under its own label."""
    rows = vaulted.rows()
    vaulted.put([*rows, rows[1] | {"account": "vault", "version": 2, "state": "pending"}])


def repeat(vaulted: Vaulted) -> None:
    """Have an entry twice."""
    rows = vaulted.rows()
    vaulted.put([*rows, rows[1]])


def cut(vaulted: Vaulted) -> None:
    """Lose the end of the file."""
    vaulted.file.write_bytes(vaulted.file.read_bytes()[:-40])


def empty(vaulted: Vaulted) -> None:
    """Lose all of the file."""
    vaulted.file.write_bytes(b"")


def other_encryption_key(vaulted: Vaulted) -> None:
    """Have another key-encryption key under the same id."""
    key_id = vaulted.encryption_keys.read_text().split()[0]
    vaulted.encryption_keys.write_text(f"{key_id} {'A' * 43}=\n")


def no_encryption_key(vaulted: Vaulted) -> None:
    """Have a key-encryption key of another id alone."""
    vaulted.encryption_keys.write_text(f"another {'A' * 43}=\n")


def open_to_all(vaulted: Vaulted) -> None:
    """Let everybody on the machine read the key-encryption key."""
    vaulted.encryption_keys.chmod(0o644)


TAMPERED: dict[str, tuple[Callable[[Vaulted], None], tuple[str, ...]]] = {
    "pairs swapped between accounts": (
        swap(1, 2, "data_key", "pair"),
        (DEMO_TRADE, VAULT_TRADE),
    ),
    "pairs swapped between purposes": (swap(0, 1, "data_key", "pair"), (DEMO_READ, DEMO_TRADE)),
    "one pair under another data key": (swap(1, 2, "pair"), (DEMO_TRADE, VAULT_TRADE)),
    "accounts swapped": (swap(1, 2, "account"), (DEMO_TRADE, VAULT_TRADE)),
    "a pending key made active": (change(state="pending"), (DEMO_TRADE,)),
    "a key made younger": (change(created=1), (DEMO_TRADE,)),
    "a version changed": (
        change(version=7),
        ("trade key of account 'demo', version 7 does not open",),
    ),
    "a read key for withdrawals": (
        change(purpose="withdraw"),
        ("withdraw key of account 'demo', version 1 does not open",),
    ),
    "one bit": (flip, (DEMO_TRADE,)),
    "an entry copied for another account": (
        add,
        ("trade key of account 'vault', version 2 does not open",),
    ),
    "an entry twice": (repeat, ("trade key of account 'demo', version 1 2 times",)),
    "a member more": (change(comment="x"), (NO_SEALED_FILE,)),
    "a way out of the folder": (
        change(account="../vault"),
        ("trade key of account '../vault', version 1 does not open",),
    ),
    "the end cut off": (cut, (NO_SEALED_FILE,)),
    "nothing left": (empty, (NO_SEALED_FILE,)),
    "another key-encryption key": (
        other_encryption_key,
        (DEMO_READ, DEMO_TRADE, VAULT_TRADE),
    ),
    "no key-encryption key": (no_encryption_key, (DEMO_READ, DEMO_TRADE, VAULT_TRADE)),
    "a key-encryption key for all to read": (open_to_all, ("open to other users",)),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_on_a_tampered_sealed_file_no_gateway_starts_and_a_running_one_goes_on(
    vaulted: Vaulted, name: str
) -> None:
    tamper, told = TAMPERED[name]
    tamper(vaulted)
    code, output = vaulted.service.try_start({})
    assert code == FAULTY
    for fault in told:
        assert fault in output
    assert "Traceback" not in output
    for account in vaulted.service.accounts:
        assert account.keys[0].api_secret not in output
    assert eventually(lambda: told[0] in vaulted.service.problems().get("keys", ""))
    accepted(vaulted.service.caller(), f"while-{name.replace(' ', '-')}")


def policy(service: Service, **more: object) -> dict[str, Any]:
    """The usual policy, with more in it."""
    return {
        "version": 1,
        "accounts": ["demo", "vault"],
        "principals": [member.entry() for member in service.members.values()],
        **more,
    }


def opened(service: Service, **members: object) -> dict[str, Any]:
    """The usual policy, the first grant on an account having these members too."""
    found = policy(service)
    grants = [grant for entry in found["principals"] for grant in entry["grants"]]
    next(grant for grant in grants if "orders:place" in grant["actions"]).update(members)
    return found


UNKNOWN: dict[str, Callable[[Service], dict[str, Any]]] = {
    "at the top": lambda service: policy(service, grants=[]),
    "in a grant": lambda service: opened(service, symbol=["BTCTRY"]),
    "in limits": lambda service: opened(service, limits={"rate": "1/s", "day_notionals": {}}),
    "a limit's sides": lambda service: opened(service, side=["BUY"]),
    "an action": lambda service: opened(service, actions=["orders:*"]),
    "an account": lambda service: opened(service, account="*"),
    "an algorithm": lambda service: policy(service, issuers=[issuer("HS256")]),
    "no algorithm": lambda service: policy(service, issuers=[issuer("none")]),
}


def issuer(algorithm: str) -> dict[str, Any]:
    """An issuer whose tokens anybody could make."""
    return {
        "id": "cluster",
        "issuer": "https://issuer.example.com",
        "audience": "gateway",
        "algorithms": [algorithm],
    }


@pytest.fixture
def house(service: Service) -> Iterator[Service]:
    """The gateway that tests share, with its usual policy before and after."""
    yield service
    service.write_policy(service.members.values())
    assert eventually(lambda: "policy" not in service.problems())


@pytest.mark.parametrize("name", UNKNOWN)
def test_on_a_policy_that_says_what_is_not_understood_no_gateway_starts_and_none_changes(
    house: Service, name: str
) -> None:
    house.write_policy_text(json.dumps(UNKNOWN[name](house)))
    code, output = house.try_start({})
    assert code == FAULTY
    assert "line 1: " in output
    assert "Traceback" not in output
    assert eventually(lambda: "policy" in house.problems())
    assert house.caller("reader").answer("{ viewer { principal } }")
    assert house.caller("stranger").code('{ market(symbol: "BTCTRY") { symbol } }') == "FORBIDDEN"
