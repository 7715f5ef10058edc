"""Switches that stop trading: for everything, for an account, or for a principal."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.domain.account import TradingState


@dataclass(frozen=True, slots=True)
class Scope:
    """What a switch is for: one account, one principal, or, with neither, everything."""

    account: str | None = None
    principal: str | None = None

    def __post_init__(self) -> None:
        """Refuse a scope that names both."""
        if self.account is not None and self.principal is not None:
            message = "a switch is for an account or for a principal, not for both"
            raise ValueError(message)

    def __str__(self) -> str:
        """Name it, as in "account desk"."""
        if self.account is not None:
            return f"account {self.account}"
        return "everything" if self.principal is None else f"principal {self.principal}"

    def covers(self, principal: str, account: str) -> bool:
        """Whether what `principal` does with `account` is in it."""
        return self.account in (None, account) and self.principal in (None, principal)


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as it stands: who set it to what, why, and when (ms)."""

    scope: Scope
    state: TradingState
    reason: str
    set_by: str
    set_at: int


@dataclass(frozen=True, slots=True)
class Suspension:
    """A principal whose every token is refused until it is restored: who did it, why, when (ms)."""

    principal: str
    reason: str
    set_by: str
    set_at: int


_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.CANCEL_ONLY: 1, TradingState.HALTED: 2}


def strictest(switches: Iterable[Switch], principal: str, account: str) -> Switch | None:
    """The switch that holds for what `principal` does with `account`; None when all are ACTIVE."""
    stopping = (
        switch
        for switch in switches
        if switch.state is not TradingState.ACTIVE and switch.scope.covers(principal, account)
    )
    return max(stopping, key=lambda switch: _STRICTNESS[switch.state], default=None)
