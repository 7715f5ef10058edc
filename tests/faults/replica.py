"""A replica of the gateway whose ways to Redis and to the exchange a test stands on."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.sandbox import Account
from tests.faults.desk import SETTINGS
from tests.faults.journal_wire import JournalWire
from tests.faults.order_wire import OrderWire
from tests.faults.tcp_wire import WireLog
from tests.functional.exchange import Exchange
from tests.functional.service import Member, Service
from tests.valkey import ValkeyServer

_FAKETIME = "faketime/libfaketime.so.1"


class Replica:
    """One gateway, the wires to its journal and for its orders, and its audit log's file.

    `skew_s`: how far its clock is ahead of everybody else's.
    """

    def __init__(
        self,
        folder: Path,
        exchange: Exchange,
        valkey: ValkeyServer,
        log: WireLog,
        accounts: Sequence[Account],
        people: Sequence[Member],
        settings: Mapping[str, str],
        skew_s: float = 0,
    ) -> None:
        folder.mkdir(parents=True)
        self.audit_file = folder / "audit.log"
        self.journal = JournalWire(valkey.port, log)
        self.orders = OrderWire(exchange.http.base_url.port or 0, log)
        given = {
            **SETTINGS,
            "NGW_STATE_REDIS_URL": f"redis://127.0.0.1:{self.journal.port}",
            "NGW_EXCHANGE_REST_URL": f"http://127.0.0.1:{self.orders.port}",
            "NGW_AUDIT_FILE": str(self.audit_file),
            **_clock(skew_s),
            **settings,
        }
        self.service = Service(folder, exchange, valkey, given, accounts, people)

    def start(self) -> None:
        """Start, and wait until it answers: with an account in quarantine it is not quite ready."""
        self.service.start(("ready", "degraded"))

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.service.signal(signal.SIGKILL)
        self.service.exit_code()

    def stop(self) -> None:
        """Make it stand still."""
        self.service.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on as if nothing had been."""
        self.service.signal(signal.SIGCONT)

    def lead_to(self, valkey: ValkeyServer) -> None:
        """Lead its way to Redis to another server, and end what is open to the one before."""
        self.journal.target = valkey.port
        self.journal.cut()

    def close(self) -> None:
        """End it, whatever state it is in, and the wires."""
        self.resume()
        self.service.close()
        self.journal.close()
        self.orders.close()


def _clock(skew_s: float) -> dict[str, str]:
    """A clock that is wrong: libfaketime puts itself between the process and the system."""
    if not skew_s:
        return {}
    places = (f"lib*/{_FAKETIME}", f"lib/*/{_FAKETIME}")
    library = next((found for place in places for found in Path("/usr").glob(place)), None)
    assert library is not None, f"{_FAKETIME} is needed: install the package libfaketime"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{skew_s:+g}s",
        "DONT_FAKE_MONOTONIC": "1",
    }
