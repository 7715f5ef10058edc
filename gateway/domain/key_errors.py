"""What keeps a request from being signed.

GatewayError
└── KeyUnavailable
├── NoKey          the account has no key for that
└── KeyStopped     the exchange refuses the account's key
"""

from dataclasses import dataclass

from gateway.domain.errors import GatewayError


@dataclass(eq=False)
class KeyUnavailable(GatewayError):
    """There is no key of `account` for `purpose` that the exchange would take."""

    code = "KEY_UNAVAILABLE"
    retryable = True
    account: str
    purpose: str


class NoKey(KeyUnavailable):
    """The account has no key for that."""

    def __str__(self) -> str:
        """Say who can mend it."""
        return (
            f"the gateway holds no {self.purpose} key of account {self.account}: whoever runs the "
            "gateway must add one; nothing was sent"
        )


@dataclass(eq=False)
class KeyStopped(KeyUnavailable):
    """The exchange refuses the key, with `exchange_code`, so the gateway does not use it."""

    exchange_code: str

    def __str__(self) -> str:
        """Say who can mend it."""
        return (
            f"the exchange refuses the {self.purpose} key of account {self.account}: whoever runs "
            "the gateway must check it; nothing was sent"
        )

    def extensions(self) -> dict[str, object]:
        """Add the exchange's code."""
        return {**super().extensions(), "exchangeCode": self.exchange_code}
