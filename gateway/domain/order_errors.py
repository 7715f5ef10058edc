"""Why an order is not sent although its caller may place it. Part of the tree in `errors`."""

from dataclasses import dataclass

from gateway.domain.errors import GatewayError, JournalUnavailable
from gateway.domain.orders import Order


@dataclass(eq=False)
class AgainstRules(GatewayError):
    """An order that the exchange would refuse, or that would harm the account; nothing was sent.

    `code` is the name that the exchange's own code for it has in docs/errors.md, where it has one.
    `rule` is one of `market.…` and `account.…` (docs/orders.md), `problem` gives the figures.
    """

    rule: str
    problem: str
    code: str  # type: ignore[misc]  # of the instance here: each rule has its own
    retryable: bool = False

    def __str__(self) -> str:
        """Name the rule and the figures."""
        return f"{self.rule}: {self.problem}; nothing was sent"

    def extensions(self) -> dict[str, object]:
        """Add the rule."""
        return {**super().extensions(), "rule": self.rule}


@dataclass(eq=False)
class DuplicateOrder(GatewayError):
    """An order with the same terms is unresolved: until it is, it may be the one that is meant."""

    code = "DUPLICATE_ORDER"
    retryable = True
    placement_id: str
    retry_after: float

    def __str__(self) -> str:
        """Say which, and how to go on."""
        return (
            f"an identical order has no outcome yet (placement {self.placement_id}); nothing was "
            f"sent: follow that one, or try again in {self.retry_after:g} s"
        )

    def extensions(self) -> dict[str, object]:
        """Add when to come back."""
        return {**super().extensions(), "retryAfter": self.retry_after}


@dataclass(eq=False)
class LaneUnresolved(GatewayError):
    """An order of this market and side is unresolved, and fills could not be told apart."""

    code = "LANE_UNRESOLVED"
    retryable = True
    placement_id: str
    retry_after: float

    def __str__(self) -> str:
        """Say which, and what can be done instead."""
        return (
            f"an order of this market and side has no outcome yet (placement {self.placement_id}), "
            f"and fills could not be told apart; nothing was sent: try again in "
            f"{self.retry_after:g} s, or place a limit order"
        )

    def extensions(self) -> dict[str, object]:
        """Add when to come back."""
        return {**super().extensions(), "retryAfter": self.retry_after}


@dataclass(eq=False)
class Quarantined(GatewayError):
    """The journal may have lost records of the account: somebody must look before it trades on."""

    code = "ACCOUNT_QUARANTINED"
    account: str
    reason: str

    def __str__(self) -> str:
        """Say why, and who can end it."""
        return (
            f"account {self.account} is quarantined: {self.reason}; nothing was sent. Somebody who "
            "may operate it compares it with the exchange and reopens it"
        )


@dataclass(eq=False)
class NotDurable(JournalUnavailable):
    """The journal's Redis could lose the order's record, so this request sent none."""

    code = "JOURNAL_NOT_DURABLE"
    retryable = False
    problem: str

    def __str__(self) -> str:
        """Say what is wrong with it, and what whoever runs the gateway can do."""
        return (
            f"{self.problem} Nothing was sent: whoever runs the gateway mends that, or sets "
            "NGW_JOURNAL_ACCEPT_VOLATILE"
        )


@dataclass(eq=False)
class OrderFilled(GatewayError):
    """There is nothing left to cancel: the order was filled. `order` is what is known of it."""

    code = "ORDER_FILLED"
    order_id: str
    order: Order | None = None

    def __str__(self) -> str:
        """Say so."""
        return "the order was filled before it could be cancelled"


@dataclass(eq=False)
class OrderClosedUnknown(GatewayError):
    """There is nothing left to cancel, and nobody can tell filled from cancelled.

    `order` is what was known of it last.
    """

    code = "ORDER_CLOSED_UNKNOWN"
    order_id: str
    order: Order | None = None

    def __str__(self) -> str:
        """Say what is known, and where to look."""
        return (
            "the order is not open any more, and whether it was filled or cancelled cannot be "
            "told: look at the account's fills and balances"
        )


@dataclass(eq=False)
class OrderNotFound(GatewayError):
    """The exchange has no such order open, and nothing here knows one of that id."""

    code = "ORDER_NOT_FOUND"
    order_id: str

    def __str__(self) -> str:
        """Say what was looked at."""
        return (
            "the exchange has no open order of this id, and neither the journal nor what was seen "
            "of the account knows one"
        )


class DeadManUnavailable(JournalUnavailable):
    """Dead-man switches, kept beside the journal, cannot be read or set now."""

    def __str__(self) -> str:
        """Say that a change may stand, and how to go on."""
        return (
            "the dead-man switches cannot be reached; what was asked for may stand or not: ask "
            "again"
        )
