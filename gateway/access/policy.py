"""Who may do what: a deny wins, the first grant that matches allows, and all else is denied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from gateway.access.principal import Principal, PrincipalKind, Proof
from gateway.access.tokens import hash_token
from gateway.domain.limits import Rate
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType

T = TypeVar("T")

DEFAULT_DENY = "default-deny"
"""The rule that decides where no deny and no grant does."""


class Action(StrEnum):
    """What can be granted."""

    MARKET_READ = "market:read"
    ACCOUNT_READ = "account:read"
    ORDERS_PLACE = "orders:place"
    ORDERS_CANCEL = "orders:cancel"
    ORDERS_READ_ALL = "orders:read-all"
    WITHDRAWALS_REQUEST = "withdrawals:request"
    WITHDRAWALS_APPROVE = "withdrawals:approve"
    AUDIT_READ = "audit:read"
    OPERATE = "operate"

    @property
    def needs_account(self) -> bool:
        """True when it is granted for one account."""
        return self not in (Action.MARKET_READ, Action.AUDIT_READ, Action.OPERATE)

    @property
    def takes_account(self) -> bool:
        """True when it may be granted for one account; without one, it is for everything."""
        return self is not Action.MARKET_READ


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a grant or a deny may look at in an order."""

    symbol: str
    side: OrderSide
    type: OrderType


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """The orders that a grant or a deny is about; None: all. It narrows ORDERS_PLACE alone."""

    symbols: frozenset[str] | None = None
    sides: frozenset[OrderSide] | None = None
    order_types: frozenset[OrderType] | None = None

    def includes(self, terms: OrderTerms) -> bool:
        """Whether it is about an order of these terms."""
        return (
            (self.symbols is None or terms.symbol in self.symbols)
            and (self.sides is None or terms.side in self.sides)
            and (self.order_types is None or terms.type in self.order_types)
        )

    def covers(self, other: "Narrowing") -> bool:
        """Whether it is about every order that `other` is about."""
        return (
            _covers(self.symbols, other.symbols)
            and _covers(self.sides, other.sides)
            and _covers(self.order_types, other.order_types)
        )


def _covers(choice: frozenset[T] | None, other: frozenset[T] | None) -> bool:
    return choice is None or (other is not None and other <= choice)


EVERYTHING = Narrowing()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimits:
    """What bounds the orders that a grant allows; None: no bound.

    Notionals by quote asset, in its units: an asset that is not listed is denied. `day_notional` is
    of a UTC day. `collar_percent`: how far a price may be beyond the market's.
    """

    order_notional: Mapping[str, Decimal] | None = None
    day_notional: Mapping[str, Decimal] | None = None
    open_orders: int | None = None
    rate: Rate | None = None
    collar_percent: Decimal | None = None


NO_LIMITS = OrderLimits()


@dataclass(frozen=True, slots=True)
class Grant:
    """Allows `actions` on `account`; where that is None, on what is of no account, or on all.

    `line`: where it stands in the policy file, counted from 1; 0 if it was read from none.
    """

    id: str
    actions: frozenset[Action]
    account: str | None = None
    narrowing: Narrowing = EVERYTHING
    limits: OrderLimits = NO_LIMITS
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Deny:
    """Forbids `actions`, whatever is granted: on `account`, or on every account if that is None.

    `line`: where it stands in the policy file, counted from 1; 0 if it was read from none.
    """

    id: str
    actions: frozenset[Action]
    account: str | None = None
    narrowing: Narrowing = EVERYTHING
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token's hash (SHA-256, hex) and when it ends (ms since the Unix epoch), if ever."""

    sha256: str = field(repr=False)
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues JWTs: `audience` and `algorithms` are what a token must have.

    `issuer` is the exact `iss`. Its keys are at `jwks_url`; without one, OpenID Connect Discovery
    says where (`<issuer>/.well-known/openid-configuration`). `ca_file`: whom to trust for TLS
    there, `token_file`: a bearer token to send there; Kubernetes wants both.
    """

    id: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks_url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A subject of an issuer, by the issuer's id in the policy.

    Tokens that were issued before `issued_after` (ms since the Unix epoch) prove nothing: so a
    leaked one is revoked.
    """

    issuer: str
    subject: str
    issued_after: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A principal with what proves it, what it is granted, and what it is denied.

    `rate` bounds its requests.
    """

    principal: Principal
    tokens: tuple[TokenRecord, ...] = ()
    grants: tuple[Grant, ...] = ()
    denies: tuple[Deny, ...] = ()
    identities: tuple[Identity, ...] = ()
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class AccountRule:
    """A declared account; `rate` bounds the signed calls that the exchange gets for it."""

    id: str
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not; `rule`: the id of the deny or grant that decided, or `DEFAULT_DENY`.

    `reason` says why, in a sentence. `grant` is what allowed it, with its limits.
    """

    allowed: bool
    rule: str
    reason: str
    grant: Grant | None = None


class Policy:
    """The rules of one policy file; `revision` tells two of them apart.

    `accounts` are the declared ids in the file's order, `wall_ms` gives the time in ms.
    """

    def __init__(
        self,
        *,
        revision: str,
        accounts: tuple[AccountRule, ...],
        members: tuple[Member, ...],
        wall_ms: Callable[[], int],
        issuers: tuple[Issuer, ...] = (),
    ) -> None:
        self.revision = revision
        self.accounts = tuple(account.id for account in accounts)
        self.issuers = issuers
        self._wall_ms = wall_ms
        self._account_rates = {account.id: account.rate for account in accounts}
        self._members: Mapping[str, Member] = {m.principal.id: m for m in members}
        self._tokens = {t.sha256: (t, m.principal) for m in members for t in m.tokens}
        self._identities = {
            (each.issuer, each.subject): (each, member.principal)
            for member in members
            for each in member.identities
        }

    def authenticate(self, token: str) -> Proof | None:
        """What an opaque token proves; None when it is unknown or has expired.

        A plain lookup is as good as a comparison in constant time here: it compares hashes, and
        nobody who learns how much of a hash matched can make a token that matches more of it.
        """
        digest = hash_token(token)
        record, principal = self._tokens.get(digest, (None, None))
        if record is None or principal is None:
            return None
        if record.expires is not None and record.expires <= self._wall_ms():
            return None
        return Proof(principal, digest, record.expires)

    def identify(self, issuer: str, subject: str, issued_at: int) -> Principal | None:
        """Whose a JWT of the issuer with this id is, issued at `issued_at` (ms); None: nobody's."""
        identity, principal = self._identities.get((issuer, subject), (None, None))
        if identity is None:
            return None
        if identity.issued_after is not None and issued_at < identity.issued_after:
            return None
        return principal

    def decide(
        self,
        principal_id: str,
        action: Action,
        account: str | None = None,
        terms: OrderTerms | None = None,
    ) -> Decision:
        """Deny if a deny matches; else allow if a grant does, the first in the file's order.

        `terms`: the order's, for ORDERS_PLACE; without them a grant of some orders matches, and a
        deny of some does not. Without `account`, AUDIT_READ and OPERATE are asked for everything,
        and so a deny of them on any account matches.
        """
        member = self._members.get(principal_id)
        if member is None:
            return _denied(DEFAULT_DENY, "the principal is not in the policy")
        for deny in member.denies:
            if _matches_deny(deny, action, account, terms):
                return _denied(deny.id, f"the deny {deny.id!r} forbids {action}")
        for grant in member.grants:
            if _matches_grant(grant, action, account, terms):
                reason = f"the grant {grant.id!r} allows {action}"
                return Decision(allowed=True, rule=grant.id, reason=reason, grant=grant)
        of_account = "" if account is None else f" on account {account!r}"
        order = "" if terms is None else f" for {terms.type} {terms.side} of {terms.symbol}"
        return _denied(DEFAULT_DENY, f"no grant allows {action}{of_account}{order}")

    def grants(self, principal_id: str) -> tuple[Grant, ...]:
        """What the principal is granted; nothing if it is unknown."""
        member = self._members.get(principal_id)
        return () if member is None else member.grants

    def denies(self, principal_id: str) -> tuple[Deny, ...]:
        """What the principal is denied, whatever it is granted; nothing if it is unknown."""
        member = self._members.get(principal_id)
        return () if member is None else member.denies

    def principals(self) -> tuple[Principal, ...]:
        """Everybody the policy knows."""
        return tuple(member.principal for member in self._members.values())

    def tokens(self, principal_id: str) -> tuple[TokenRecord, ...]:
        """The opaque tokens that prove the principal, those that have expired among them."""
        member = self._members.get(principal_id)
        return () if member is None else member.tokens

    def identities(self, principal_id: str) -> tuple[Identity, ...]:
        """The subjects of issuers whose JWTs prove the principal."""
        member = self._members.get(principal_id)
        return () if member is None else member.identities

    def rate_of(self, principal_id: str) -> Rate | None:
        """The bound on the principal's requests, if the policy has one."""
        member = self._members.get(principal_id)
        return None if member is None else member.rate

    def account_rate(self, account: str) -> Rate | None:
        """The bound on the signed calls for an account, if the policy has one."""
        return self._account_rates.get(account)

    def visible_accounts(self, principal_id: str) -> tuple[str, ...]:
        """The accounts that the principal may know of: those that a grant of its names."""
        named = {grant.account for grant in self.grants(principal_id)}
        return tuple(account for account in self.accounts if account in named)


def _denied(rule: str, reason: str) -> Decision:
    return Decision(allowed=False, rule=rule, reason=reason)


def _matches_deny(
    deny: Deny, action: Action, account: str | None, terms: OrderTerms | None
) -> bool:
    if action not in deny.actions:
        return False
    for_everything = account is None and action.takes_account
    if deny.account not in (None, account) and not for_everything:
        return False
    if action is not Action.ORDERS_PLACE or deny.narrowing == EVERYTHING:
        return True
    return terms is not None and deny.narrowing.includes(terms)


def _matches_grant(
    grant: Grant, action: Action, account: str | None, terms: OrderTerms | None
) -> bool:
    if action not in grant.actions or not _grant_covers(grant, action, account):
        return False
    if action is not Action.ORDERS_PLACE or terms is None:
        return True
    return grant.narrowing.includes(terms)


def _grant_covers(grant: Grant, action: Action, account: str | None) -> bool:
    if action.needs_account and account is None:
        return False
    for_everything = grant.account is None and action.takes_account and not action.needs_account
    return for_everything or grant.account == account


__all__ = [
    "DEFAULT_DENY",
    "EVERYTHING",
    "NO_LIMITS",
    "AccountRule",
    "Action",
    "Decision",
    "Deny",
    "Grant",
    "Identity",
    "Issuer",
    "Member",
    "Narrowing",
    "OrderLimits",
    "OrderTerms",
    "Policy",
    "Principal",
    "PrincipalKind",
    "Proof",
    "TokenRecord",
]
