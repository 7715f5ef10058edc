"""Who may do what: allowed is what a grant names, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.access.tokens import hash_token

DEFAULT_DENY = "default-deny"
"""The rule that decides where no grant does."""


class Action(StrEnum):
    """What can be granted. All but MARKET_READ are granted for one account."""

    MARKET_READ = "market:read"
    ACCOUNT_READ = "account:read"
    ORDERS_PLACE = "orders:place"
    ORDERS_CANCEL = "orders:cancel"

    @property
    def of_account(self) -> bool:
        """True when the action concerns one account."""
        return self is not Action.MARKET_READ


class PrincipalKind(StrEnum):
    """Whether a program or a person calls."""

    APP = "app"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody the gateway knows."""

    id: str
    kind: PrincipalKind


@dataclass(frozen=True, slots=True)
class Grant:
    """Allows `actions`: on `account`, or on public market data where that is None."""

    id: str
    actions: frozenset[Action]
    account: str | None = None


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token's hash (SHA-256, hex) and when it ends (ms since the Unix epoch), if ever."""

    sha256: str = field(repr=False)
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A principal with what proves it and what it is granted."""

    principal: Principal
    tokens: tuple[TokenRecord, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and `rule`: the id of the grant that allows it, or `DEFAULT_DENY`."""

    allowed: bool
    rule: str


class Policy:
    """The rules of one policy file; `revision` tells two of them apart.

    `accounts` are the declared ids in the file's order, `wall_ms` gives the time in ms.
    """

    def __init__(
        self,
        *,
        revision: str,
        accounts: tuple[str, ...],
        members: tuple[Member, ...],
        wall_ms: Callable[[], int],
    ) -> None:
        self.revision = revision
        self.accounts = accounts
        self._wall_ms = wall_ms
        self._members: Mapping[str, Member] = {m.principal.id: m for m in members}
        self._tokens = {t.sha256: (t, m.principal) for m in members for t in m.tokens}

    def authenticate(self, token: str) -> Principal | None:
        """The principal that `token` belongs to; None when it is unknown or has expired.

        A plain lookup is as good as a comparison in constant time here: it compares hashes, and
        nobody who learns how much of a hash matched can make a token that matches more of it.
        """
        record, principal = self._tokens.get(hash_token(token), (None, None))
        if record is None or (record.expires is not None and record.expires <= self._wall_ms()):
            return None
        return principal

    def decide(self, principal_id: str, action: Action, account: str | None = None) -> Decision:
        """Allow if a grant of the principal names `action` for exactly `account`; else deny."""
        for grant in self.grants(principal_id):
            if action in grant.actions and grant.account == account:
                return Decision(allowed=True, rule=grant.id)
        return Decision(allowed=False, rule=DEFAULT_DENY)

    def grants(self, principal_id: str) -> tuple[Grant, ...]:
        """What the principal is granted; nothing if it is unknown."""
        member = self._members.get(principal_id)
        return () if member is None else member.grants

    def visible_accounts(self, principal_id: str) -> tuple[str, ...]:
        """The accounts that the principal may know of: those that a grant of its names."""
        named = {grant.account for grant in self.grants(principal_id)}
        return tuple(account for account in self.accounts if account in named)
