"""Who trades in the fault tests, and with which settings: everything that waits, waits briefly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.functional.service import AUDIT, MARKET, OPERATE, READ, TRADE, Member

WINDOW_MS, GUARD_MS = 1_000, 2_000
"""How long an order may be executed after it was signed, and how long after that it may yet be."""

SETTINGS: Mapping[str, str] = {
    "NGW_PRINCIPAL_RATE": "100000/s",
    "NGW_ACCOUNT_RATE": "100000/s",
    "NGW_MARKET_RATE": "100000/s",
    "NGW_ORDER_WINDOW_MS": str(WINDOW_MS),
    "NGW_ORDER_GUARD_S": str(GUARD_MS / 1000),
    "NGW_ORDER_LEASE_S": "1",
    "NGW_RESOLVE_SPACING_S": "0.3",
    "NGW_RESOLVE_WITHIN_S": "3",
    "NGW_ACCOUNT_LEASE_S": "1",
    "NGW_EXCHANGE_CONNECT_TIMEOUT_S": "0.5",
    "NGW_EXCHANGE_READ_TIMEOUT_S": "0.6",
    "NGW_REDIS_TIMEOUT_S": "2",
}


@dataclass(frozen=True)
class App(Member):
    """A principal that trades on several accounts within limits, each by a grant of its own."""

    accounts: Sequence[str] = ()

    def entry(self) -> dict[str, Any]:
        """The policy file's entry."""
        limits = {"day_notional": {"TRY": "100000000"}, "open_orders": 10_000}
        market = {"id": f"{self.name}-market", "actions": MARKET}
        trading = [
            {
                "id": f"{self.name}-{account}",
                "account": account,
                "actions": (*READ, *TRADE),
                "limits": {**limits, "collar_percent": "50"},
            }
            for account in self.accounts
        ]
        return super().entry() | {"grants": [market, *trading]}


OPERATOR = Member("operator", (MARKET, OPERATE, AUDIT))
