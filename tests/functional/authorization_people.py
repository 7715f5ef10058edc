"""Every kind of principal that the matrix knows, and the policy that names them, as plain data."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

Rule: TypeAlias = dict[str, Any]
"""A grant or a deny as the policy file has it, without its id."""

ACCOUNTS = ("demo", "vault")
LAST_YEAR = "2020-01-01T00:00:00Z"
EVERYTHING: tuple[Rule, ...] = (
    {"actions": ["market:read", "audit:read", "operate"]},
    *(
        {
            "account": account,
            "actions": [
                "account:read",
                "orders:place",
                "orders:cancel",
                "orders:read-all",
                "withdrawals:request",
                "withdrawals:approve",
            ],
        }
        for account in ACCOUNTS
    ),
)


def on(account: str, *actions: str, **narrowing: list[str]) -> Rule:
    """A rule on one account."""
    return {"account": account, "actions": list(actions), **narrowing}


def of_all(*actions: str, **narrowing: list[str]) -> Rule:
    """A rule on no account, or on every account."""
    return {"actions": list(actions), **narrowing}


@dataclass(frozen=True)
class Person:
    """A principal: how it proves itself, what it is granted, what it is denied.

    One that is not in the policy has a token that nobody gave it; `jwt`: an issuer made it.
    """

    name: str
    grants: tuple[Rule, ...] = ()
    denies: tuple[Rule, ...] = ()
    expires: str | None = None
    jwt: bool = False
    in_policy: bool = True
    suspended: bool = False

    @property
    def token(self) -> str:
        """The opaque token."""
        return f"ngw_{hashlib.sha256(self.name.encode()).hexdigest()}"

    @property
    def proves_itself(self) -> bool:
        """Whether its token counts."""
        return self.in_policy and self.expires is None and not self.suspended

    def entry(self) -> dict[str, Any]:
        """Its entry in the policy file."""
        token = {"sha256": hashlib.sha256(self.token.encode()).hexdigest()}
        if self.expires is not None:
            token["expires"] = self.expires
        return {
            "id": self.name,
            "kind": "app",
            "tokens": [] if self.jwt else [token],
            "identities": [{"issuer": "cluster", "subject": self.name}] if self.jwt else [],
            "grants": _with_ids(f"{self.name}-grant", self.grants),
            "denies": _with_ids(f"{self.name}-deny", self.denies),
        }


def policy(people: tuple[Person, ...], issuer: str, audience: str) -> str:
    """The policy file; JSON is YAML."""
    return json.dumps(
        {
            "version": 1,
            "accounts": ACCOUNTS,
            "issuers": [
                {"id": "cluster", "issuer": issuer, "audience": audience, "algorithms": ["RS256"]}
            ],
            "principals": [each.entry() for each in people if each.in_policy],
        }
    )


def _with_ids(prefix: str, rules: tuple[Rule, ...]) -> list[Rule]:
    return [{"id": f"{prefix}-{number}", **rule} for number, rule in enumerate(rules)]


TRADE = ("account:read", "orders:place", "orders:cancel")
EVERYBODY = "everything"
PEOPLE = (
    Person("unknown", in_policy=False),
    Person("unknown-subject", jwt=True, in_policy=False),
    Person("expired", EVERYTHING, expires=LAST_YEAR),
    Person("suspended", EVERYTHING, suspended=True),
    Person("nothing"),
    Person("market", (of_all("market:read"),)),
    Person("reader", (of_all("market:read"), on("demo", "account:read"))),
    Person("vault-reader", (on("vault", "account:read"),)),
    Person("placer", (on("demo", "orders:place"),)),
    Person("canceller", (on("demo", "orders:cancel"),)),
    Person("trader", (of_all("market:read"), on("demo", *TRADE))),
    Person("vault-trader", (on("demo", "account:read"), on("vault", *TRADE))),
    Person(
        "narrow-trader",
        (
            on(
                "demo",
                "orders:place",
                "orders:cancel",
                symbols=["BTCTRY"],
                sides=["BUY"],
                order_types=["LIMIT"],
            ),
            on("demo", "orders:place", symbols=["ETHTRY"]),
        ),
    ),
    Person(
        "denied-trader",
        (on("demo", *TRADE), on("vault", *TRADE)),
        (
            on("demo", "orders:place", sides=["SELL"]),
            on("vault", "orders:place", "orders:cancel", order_types=["STOP_LIMIT"]),
        ),
    ),
    Person(
        "denied-everywhere",
        EVERYTHING,
        (of_all("account:read", "orders:place", symbols=["ETHTRY"]),),
    ),
    Person("muted", EVERYTHING, (of_all("market:read"), of_all(*EVERYTHING[1]["actions"]))),
    Person("all-reader", (on("demo", "account:read", "orders:cancel", "orders:read-all"),)),
    Person("all-canceller", (on("demo", "orders:cancel", "orders:read-all"),)),
    Person(
        "denied-all-reader",
        (on("demo", *TRADE, "orders:read-all"), on("vault", *TRADE, "orders:read-all")),
        (on("demo", "orders:read-all"),),
    ),
    Person("auditor", (of_all("audit:read"),)),
    Person("demo-auditor", (on("demo", "audit:read"),)),
    Person("denied-auditor", (of_all("audit:read"),), (on("demo", "audit:read"),)),
    Person("operator", (of_all("operate"),)),
    Person("demo-operator", (on("demo", "operate"),)),
    Person("denied-operator", (of_all("operate"),), (on("demo", "operate"),)),
    Person("stopped-operator", (of_all("operate"), on("vault", "operate")), (of_all("operate"),)),
    Person("withdrawer", (on("demo", "withdrawals:request", "withdrawals:approve"),)),
    Person("service", (of_all("market:read"), on("demo", "account:read")), jwt=True),
    Person("service-operator", (on("vault", "orders:place", "operate"),), jwt=True),
    Person(EVERYBODY, EVERYTHING),
)
BYSTANDER = Person("bystander", EVERYTHING)
"""Suspended and restored by those who may."""

NEIGHBOUR = Person("neighbour", EVERYTHING)
"""Owns what others should not see."""

BY_NAME = {each.name: each for each in PEOPLE}
