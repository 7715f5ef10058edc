"""On whose behalf a stream connection asks."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers

from gateway.access.policy import Action
from gateway.access.principal import Caller, Principal
from gateway.domain.errors import GatewayError
from gateway.schema.context import permit
from gateway.web.authentication import authorization, bearer_token
from gateway.web.facade.callers import ACCOUNT, ANONYMOUS_PRINCIPAL
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.stream_protocol import Login


@dataclass(frozen=True, eq=False, slots=True)
class Identity:
    """A principal, the account that it named if any, and whether what proved it still does."""

    principal: Principal
    account: str | None
    is_good: Callable[[], bool]

    def may_read_markets(self, parts: FacadeParts, trace: str) -> bool:
        """Ask the policy; a denial goes on record."""
        return self._may(parts, trace, Action.MARKET_READ, None)

    def may_read_account(self, parts: FacadeParts, trace: str) -> bool:
        """Ask the policy about the account that was named; a denial goes on record."""
        named = self.account is not None
        return named and self._may(parts, trace, Action.ACCOUNT_READ, self.account)

    def _may(self, parts: FacadeParts, trace: str, action: Action, account: str | None) -> bool:
        try:
            permit(parts.services, Caller(self.principal, trace), (action, account))
        except GatewayError:
            return False
        return True


def anonymous(parts: FacadeParts) -> Identity:
    """Whoever shows nothing."""
    switch = parts.services.trading_switch
    return Identity(ANONYMOUS_PRINCIPAL, None, lambda: not switch.suspended(ANONYMOUS_PRINCIPAL.id))


async def identity_of_token(parts: FacadeParts, headers: Headers) -> Identity:
    """Whose the bearer token of the upgrade request is; raises `NotProven`."""
    token = bearer_token(authorization(headers))
    proof = await parts.identities.authenticate(token)
    accounts = headers.getlist(ACCOUNT)
    return Identity(
        proof.principal,
        accounts[0] if len(accounts) == 1 else None,
        lambda: parts.identities.still_good(token, proof.principal),
    )


async def identity_of_key(parts: FacadeParts, login: Login) -> Identity:
    """Whose the virtual key is that signed itself; raises `NotProven`."""
    key, principal = await parts.virtual_keys.verify(
        login.api_key, login.api_key.encode(), login.signature
    )
    return Identity(principal, key.account, lambda: parts.virtual_keys.still_good(key))
