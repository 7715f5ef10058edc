"""`narkasa-gateway keys` as it is used: processes, a sandbox exchange, and a gateway that runs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from gateway.sandbox import KeyPair, Permission
from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO, QUIET, Exchange
from tests.functional.key_sources import DONE, MISUSE, REFUSED, Terminal
from tests.functional.ordering import accepted, cancel, place
from tests.functional.service import Service
from tests.functional.under_load import UNBOUNDED
from tests.processes import eventually

READER = KeyPair("canary-read-key", "canary-read-secret", frozenset({Permission.READ}))
TRADER, NEXT = (
    KeyPair(
        f"canary-{name}-key",
        f"canary-{name}-secret",
        frozenset({Permission.READ, Permission.TRADE}),
    )
    for name in ("trade", "next")
)
UNHEARD_OF = KeyPair("canary-unheard-of-key", "canary-unheard-of-secret")
KEYED = replace(QUIET, accounts=(replace(DEMO, keys=(*DEMO.keys, READER, TRADER, NEXT)),))


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange that knows the keys of this module's account."""
    with closing(Exchange(KEYED)) as running:
        yield running


@pytest.fixture
def terminal(tmp_path: Path, exchange: Exchange) -> Terminal:
    """A shell with a sealed file that holds a key for trading."""
    made = Terminal(tmp_path, exchange.url)
    assert made.keys("add", "demo", "trade", given=TRADER) == DONE
    return made


def test_a_key_is_rotated_when_the_exchange_accepts_it(terminal: Terminal) -> None:
    assert terminal.keys("rotate", "demo", "trade", given=NEXT) == DONE
    assert "demo/trade@2 is active" in terminal.printed
    assert "'keys retire demo trade 1'" in terminal.printed
    assert terminal.states() == ["1 pending", "2 active"]


def test_a_rotation_can_be_taken_back(terminal: Terminal) -> None:
    terminal.keys("rotate", "demo", "trade", given=NEXT)
    assert terminal.keys("rotate", "demo", "trade", "--version", "1") == DONE
    assert terminal.states() == ["1 active", "2 pending"]


@pytest.mark.parametrize(
    ("pair", "why"),
    [(UNHEARD_OF, "Invalid API key or secret (20001)"), (READER, "(20011)")],
    ids=["unheard-of", "may-only-read"],
)
def test_a_key_that_cannot_do_its_work_is_not_made_active(
    terminal: Terminal, pair: KeyPair, why: str
) -> None:
    assert terminal.keys("rotate", "demo", "trade", given=pair) == REFUSED
    assert "so it is pending as before" in terminal.printed
    assert why in terminal.printed
    assert terminal.states() == ["1 active", "2 pending"]


def test_with_the_exchange_away_nothing_is_made_active(terminal: Terminal) -> None:
    terminal.exchange_url = "http://127.0.0.1:1"
    assert terminal.keys("rotate", "demo", "trade", given=NEXT) == REFUSED
    assert "could not be asked about demo/trade@2" in terminal.printed
    assert terminal.states() == ["1 active", "2 pending"]


def test_probe_tells_what_a_key_may_do_and_changes_nothing(
    terminal: Terminal, exchange: Exchange
) -> None:
    before = exchange.truth("demo")
    assert terminal.keys("probe", "demo", "trade") == DONE
    for line in ("is known      yes", "may read      yes", "may trade     yes", "not asked"):
        assert line in terminal.printed
    assert exchange.truth("demo") == before


def test_probe_warns_of_a_read_key_that_may_trade(terminal: Terminal) -> None:
    terminal.keys("add", "demo", "read", given=NEXT)
    assert terminal.keys("probe", "demo", "read") == DONE
    assert "warning: a read key needs no right to trade" in terminal.printed


def test_secrets_are_no_arguments(terminal: Terminal) -> None:
    assert terminal.keys("add", "demo", "read", "a-key", "a-secret") == MISUSE
    assert terminal.keys("add", "demo", "read") == MISUSE
    assert "there is no terminal to ask at" in terminal.printed


@pytest.fixture
def sealed(
    tmp_path_factory: pytest.TempPathFactory, terminal: Terminal
) -> Iterator[tuple[Terminal, Service]]:
    """A gateway that holds the keys of a sealed file alone, and a shell beside it."""
    terminal.keys("add", "demo", "read", given=READER)
    settings = {"NGW_CREDENTIALS_DIR": "", **UNBOUNDED, **terminal.settings}
    with running_service(tmp_path_factory, KEYED, (DEMO,), settings=settings) as service:
        terminal.exchange_url = service.exchange.url
        terminal.settings["NGW_STATE_REDIS_URL"] = service.valkey.url
        yield terminal, service


@contextmanager
def trading(service: Service) -> Iterator[list[str]]:
    """Place and cancel orders all the time meanwhile; give what became of each, at the end."""
    outcomes: list[str] = []
    over = Event()

    def trade() -> None:
        caller = service.caller()
        for number in count():
            if over.is_set():
                return
            result = place(caller, f"meanwhile-{number}")
            outcomes.append(result["__typename"])
            if result["__typename"] == "OrderAccepted":
                outcomes.append(cancel(caller, result["order"]["orderId"])["__typename"])

    thread = Thread(target=trade)
    thread.start()
    try:
        yield outcomes
    finally:
        over.set()
        thread.join(timeout=20)


def test_a_running_gateway_moves_over_to_a_rotated_key_and_no_order_fails(
    sealed: tuple[Terminal, Service],
) -> None:
    terminal, service = sealed
    with trading(service) as outcomes:
        assert terminal.keys("rotate", "demo", "trade", given=NEXT) == DONE
        assert eventually(lambda: "demo/trade@2" in service.log.read_text())
        assert terminal.keys("retire", "demo", "trade", "1") == DONE
    accepted(service.caller(), "afterwards")
    assert len(outcomes) > 10
    assert set(outcomes) == {"OrderAccepted", "OrderCancelled"}
    assert service.problems() == {}
    assert "canary" not in service.log.read_text()


def test_a_running_gateway_goes_on_while_the_sealed_file_cannot_be_opened(
    sealed: tuple[Terminal, Service],
) -> None:
    terminal, service = sealed
    file = Path(terminal.settings["NGW_KEYS_FILE"])
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert eventually(lambda: "keys" in service.problems())
    accepted(service.caller(), "meanwhile")
    file.write_bytes(whole)
    assert eventually(lambda: "keys" not in service.problems())


def test_a_running_gateway_follows_a_new_key_encryption_key(
    sealed: tuple[Terminal, Service],
) -> None:
    terminal, service = sealed
    assert terminal.keys("reseal", "--new-kek") == DONE
    assert terminal.keys("rotate", "demo", "trade", given=NEXT) == DONE
    assert eventually(lambda: "demo/trade@2" in service.log.read_text())
    assert service.problems() == {}
