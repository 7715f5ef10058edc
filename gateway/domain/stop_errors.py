"""What a caller is told by a gateway that stops."""

from dataclasses import dataclass

from gateway.domain.errors import GatewayError


class Stopping(GatewayError):
    """The gateway stops before the answer is there; what was asked for may have been done."""

    retryable = True

    def __str__(self) -> str:
        """Say how to go on."""
        return "the gateway is stopping; ask again, an order under the same clientOrderId"


@dataclass(eq=False)
class NotBegun(GatewayError):
    """The gateway stops and begins nothing new: nothing was done. `retry_after` in seconds."""

    code = "STOPPING"
    retryable = True
    retry_after: float = 1

    def __str__(self) -> str:
        """Say that another will do it."""
        return "the gateway is stopping and began nothing; connect again and repeat the request"

    def extensions(self) -> dict[str, object]:
        """Add when to come back."""
        return {**super().extensions(), "retryAfter": self.retry_after}
