"""Every failure that a caller may see.

    GatewayError
    ├── Unauthenticated        no token, or none that is known
    ├── Forbidden              the policy does not grant it
    ├── OverLimit              an order beyond a limit of the grant that would allow it
    ├── AgainstRules           an order that market or account cannot bear (`order_errors`)
    ├── DuplicateOrder         an identical order has no outcome yet (`order_errors`)
    ├── LaneUnresolved         an order of its market and side has none (`order_errors`)
    ├── Quarantined            the journal may have lost records of the account (`order_errors`)
    ├── OrderFilled            too late to cancel it (`order_errors`)
    ├── OrderClosedUnknown     the same, or it was cancelled: nobody knows (`order_errors`)
    ├── OrderNotFound          nobody knows an order of that id (`order_errors`)
    ├── TradingHalted          a switch keeps orders, or orders and cancels, from being sent
    ├── NotYours               no order of that id is the caller's
    ├── RateLimited            too much at once; says when to come back
    ├── BadUserInput           names the field and the fix
    ├── UnknownSymbol
    ├── UnknownAccount
    ├── JournalUnavailable
    │   ├── NotRecorded        no order is sent without its record
    │   │   ├── NotInTime      nor long after it was asked for
    │   │   └── RefusedMeanwhile  nor after somebody was told that it is not
    │   ├── NotDurable         nor while its record could be lost (`order_errors`)
    │   ├── NotLookedUp        nobody can tell now what was placed
    │   ├── SwitchesUnavailable  the trading switches cannot be read or set
    │   ├── DeadManUnavailable   nor can the dead-man switches (`order_errors`)
    │   └── SwitchesUnread     no order is sent without knowing of them
    ├── AuditUnavailable       nothing is done that cannot be put on record
    ├── KeyUnavailable         no key that the exchange would take (`key_errors`)
    ├── Stopping               the gateway stops before the answer is there (`stop_errors`)
    ├── NotBegun               it stops, and begins nothing new (`stop_errors`)
    ├── SourceUnavailable      nothing to show within the hard lifetime
    ├── StreamRefused          the exchange does not let an account be followed
    └── ExchangeFailure
        ├── NotSent            it never left: nothing can have happened
        ├── Refused            the exchange said no
        └── Unclear            the exchange may or may not have acted

Errors carry fields and build their text in `__str__`. No text holds a secret, a signature or a
signed address.
"""

from dataclasses import dataclass
from typing import ClassVar


class GatewayError(Exception):
    """The base: `code` is stable (docs/errors.md), `retryable` tells whether to try again."""

    code: ClassVar[str] = "INTERNAL"
    retryable: bool = False

    def extensions(self) -> dict[str, object]:
        """What a GraphQL error carries besides its message."""
        return {"code": self.code, "retryable": self.retryable}


@dataclass(eq=False)
class Unauthenticated(GatewayError):
    """No token, or none that is known."""

    code = "UNAUTHENTICATED"
    problem: str = "send a token that the gateway knows: 'Authorization: Bearer <token>'"

    def __str__(self) -> str:
        """Say what to send."""
        return self.problem


@dataclass(eq=False)
class Forbidden(GatewayError):
    """The policy does not grant it; `rule` names what decided."""

    code = "FORBIDDEN"
    action: str
    rule: str

    def __str__(self) -> str:
        """Name the action that was not granted."""
        return f"not allowed: {self.action}"

    def extensions(self) -> dict[str, object]:
        """Add the rule."""
        return {**super().extensions(), "rule": self.rule}


@dataclass(eq=False)
class OverLimit(GatewayError):
    """An order beyond a limit of the grant `rule` that would allow it; nothing was sent.

    `limit` is the limit's name in the policy file, `problem` gives the figures. `retryable` where
    time alone may help, and then `retry_after` says how long (seconds).
    """

    code = "OVER_LIMIT"
    rule: str
    limit: str
    problem: str
    retry_after: float | None = None

    def __post_init__(self) -> None:
        """Call it retryable where time alone may help."""
        self.retryable = self.retry_after is not None

    def __str__(self) -> str:
        """Name the limit and the figures."""
        return f"{self.limit}: {self.problem}"

    def extensions(self) -> dict[str, object]:
        """Add rule, limit, and when to come back."""
        later = {} if self.retry_after is None else {"retryAfter": self.retry_after}
        return {**super().extensions(), "rule": self.rule, "limit": self.limit, **later}


@dataclass(eq=False)
class TradingHalted(GatewayError):
    """A switch is not ACTIVE: `what` it is for, its `state`, and the `reason` that was given."""

    code = "TRADING_HALTED"
    what: str
    state: str
    reason: str

    def __str__(self) -> str:
        """Say what is switched to what, and why."""
        return f"trading is {self.state} for {self.what}: {self.reason}; nothing was sent"


@dataclass(eq=False)
class NotYours(GatewayError):
    """No order of that id is known as the caller's own; it may be another's, or nobody's."""

    code = "ORDER_NOT_FOUND"
    order_id: str

    def __str__(self) -> str:
        """Say what would let the caller see others' orders."""
        return (
            "no order of yours has this id; orders of others, and those placed elsewhere, need the "
            "grant orders:read-all"
        )


@dataclass(eq=False)
class RateLimited(GatewayError):
    """Too much at once. `retry_after` in seconds."""

    code = "RATE_LIMITED"
    retryable = True
    limit: str
    retry_after: float

    def __str__(self) -> str:
        """Say which limit, and when to come back."""
        return f"limit reached: {self.limit}; try again in {self.retry_after:g} s"

    def extensions(self) -> dict[str, object]:
        """Add when to come back."""
        return {**super().extensions(), "retryAfter": self.retry_after}


@dataclass(eq=False)
class BadUserInput(GatewayError):
    """The input's `field` is wrong; `problem` says what is expected."""

    code = "BAD_USER_INPUT"
    field: str
    problem: str

    def __str__(self) -> str:
        """Name the field and the fix."""
        return f"{self.field}: {self.problem}"

    def extensions(self) -> dict[str, object]:
        """Add the field."""
        return {**super().extensions(), "field": self.field}


@dataclass(eq=False)
class UnknownSymbol(GatewayError):
    """There is no such market."""

    code = "UNKNOWN_SYMBOL"
    symbol: str

    def __str__(self) -> str:
        """Name the symbol, cut short, and where to look."""
        return f"no market is called {self.symbol[:32]!r}; 'markets' lists them"


@dataclass(eq=False)
class UnknownAccount(GatewayError):
    """There is no such account, or the caller may not know of it."""

    code = "UNKNOWN_ACCOUNT"
    account: str

    def __str__(self) -> str:
        """Name the account, cut short, and where to look."""
        return f"no account is called {self.account[:64]!r}; 'accounts' lists yours"


class JournalUnavailable(GatewayError):
    """The order journal cannot be written or read."""

    code = "JOURNAL_UNAVAILABLE"
    retryable = True


class NotRecorded(JournalUnavailable):
    """An order cannot be recorded, so this request sent none.

    An earlier one under the same client order id may have: nobody can look it up now.
    """

    def __str__(self) -> str:
        """Say that nothing was sent, and how to go on."""
        return (
            "the order journal is away; this order was not sent: repeat it under its clientOrderId"
        )


class NotInTime(NotRecorded):
    """An order could not be checked, signed and put on record in time, so this request sent none.

    Whoever asked for it may have given it up by now, and the market may have moved.
    """

    def __str__(self) -> str:
        """Say that nothing was sent, and how to go on."""
        return (
            "what an order needs took too long; this order was not sent: repeat it under its "
            "clientOrderId"
        )


class RefusedMeanwhile(NotRecorded):
    """Another request for an order was refused while this one was prepared, so this one sent none.

    Whoever was told of the refusal relies on it, and may have sent the order under another id.
    """

    def __str__(self) -> str:
        """Say that nothing was sent, and how to go on."""
        return (
            "another request for this order was refused meanwhile; this order was not sent: repeat "
            "it under its clientOrderId"
        )


class NotLookedUp(JournalUnavailable):
    """A record cannot be read: it may stand, whatever it says."""

    def __str__(self) -> str:
        """Say what is not known now; it is no sign that an order was not sent."""
        return "the order journal is away; what was placed cannot be looked up now: ask again"


class SwitchesUnavailable(JournalUnavailable):
    """Switches and suspensions, kept beside the journal, cannot be read or set now."""

    def __str__(self) -> str:
        """Say that a change may stand, and how to go on."""
        return (
            "the switches cannot be reached; a change that was asked for may stand or not: look, "
            "and set it again"
        )


class SwitchesUnread(JournalUnavailable):
    """Nobody can tell whether a switch stops the order, so it was not sent."""

    def __str__(self) -> str:
        """Say that nothing was sent, and how to go on."""
        return (
            "the switches that may stop trade cannot be read; this order was not sent: repeat it "
            "under its clientOrderId"
        )


class AuditUnavailable(GatewayError):
    """Nothing is done that cannot be put on record: neither sink of the audit log takes entries."""

    code = "AUDIT_UNAVAILABLE"
    retryable = True

    def __str__(self) -> str:
        """Say that nothing was sent, and how to go on."""
        return "the audit log cannot be written; nothing was sent: try again"


@dataclass(eq=False)
class SourceUnavailable(GatewayError):
    """The exchange is away, and what was known of `what` is past its hard lifetime.

    `paused`: it is there, and refused calls as too many, so none are made for a while.
    """

    code = "EXCHANGE_UNAVAILABLE"
    retryable = True
    what: str
    paused: bool = False

    def __str__(self) -> str:
        """Say what is missing, and why."""
        why = "calls to the exchange are paused" if self.paused else "the exchange is away"
        return f"{why} and nothing recent is known of {self.what}"


@dataclass(eq=False)
class StreamRefused(GatewayError):
    """The exchange refuses the gateway's login for the stream of `account`; it is tried again."""

    code = "EXCHANGE_UNAVAILABLE"
    retryable = True
    account: str

    def __str__(self) -> str:
        """Say what is refused, and who can mend it."""
        return (
            f"the exchange refuses the gateway's login for the stream of account {self.account}: "
            "whoever runs the gateway must check the account's API key"
        )


class ExchangeFailure(GatewayError):
    """A call to the exchange did not bring what was asked for."""


@dataclass(eq=False)
class NotSent(ExchangeFailure):
    """The request never left, so nothing can have happened. `cause` is one of a few words."""

    code = "EXCHANGE_UNAVAILABLE"
    retryable = True
    endpoint: str
    cause: str

    def __str__(self) -> str:
        """Say that the exchange was not reached."""
        return f"the exchange could not be reached ({self.endpoint}: {self.cause})"


@dataclass(eq=False)
class Refused(ExchangeFailure):
    """The exchange answered with one of its documented codes ('Error Codes' and each endpoint).

    `name` is the code's name in `docs/errors.md`, `advice` what to do about it.
    """

    code = "EXCHANGE_REFUSED"
    endpoint: str
    exchange_code: str
    name: str
    meaning: str
    advice: str
    retry: bool

    def __str__(self) -> str:
        """Give the exchange's reason and what to do."""
        return f"{self.meaning}: {self.advice}"

    def extensions(self) -> dict[str, object]:
        """Add the exchange's code, its name, and whether trying again can help."""
        return {
            "code": self.code,
            "retryable": self.retry,
            "exchangeCode": self.exchange_code,
            "reason": self.name,
        }


@dataclass(eq=False)
class Unclear(ExchangeFailure):
    """The exchange may or may not have acted: for a mutation the outcome is unknown.

    `cause` is one of a few words: a timeout after the first byte, HTML, a truncated body, 5xx, 429,
    90000, an unlisted code and the like. `exchange_code` is set when it gave one.
    """

    code = "EXCHANGE_UNAVAILABLE"
    retryable = True
    endpoint: str
    cause: str
    exchange_code: str | None = None

    def __str__(self) -> str:
        """Say that the answer was not usable."""
        return f"the exchange gave no usable answer ({self.endpoint}: {self.cause})"

    def extensions(self) -> dict[str, object]:
        """Add the exchange's code when it gave one."""
        return {**super().extensions(), "exchangeCode": self.exchange_code}
