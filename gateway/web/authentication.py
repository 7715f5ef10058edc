"""Who calls: the bearer token of a request or of a connection_init."""

from collections.abc import Callable
from typing import Any

from gateway.access.policy import Policy
from gateway.access.principal import Principal
from gateway.domain.errors import Unauthenticated

_LONGEST = 4096


def bearer_token(value: object) -> str:
    """The token in 'Bearer <token>'; raises `Unauthenticated` when there is none."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Unauthenticated
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def token_of_init(payload: object, header: str | None) -> str:
    """The token of a WebSocket: in connection_init's payload, else in the upgrade's header.

    The payload names it `Authorization`, in any case, as HTTP does.
    """
    given: dict[Any, Any] = payload if isinstance(payload, dict) else {}
    for name, value in given.items():
        if isinstance(name, str) and name.lower() == "authorization":
            return bearer_token(value)
    return bearer_token(header)


def authenticate(policy: Callable[[], Policy], token: str) -> Principal:
    """The principal of `token`; raises `Unauthenticated` when the policy knows none."""
    proof = policy().authenticate(token)
    if proof is None:
        raise Unauthenticated("the token is unknown or has expired")
    return proof.principal
