"""Reads an account at the exchange: within its rate, with its key, and each on record."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.access.principal import Caller
from gateway.domain.audit import GATEWAY, AuditEvent, AuditKind
from gateway.domain.errors import GatewayError
from gateway.domain.signing import KeyId, Sign, SignedText, SigningRequest
from gateway.services.audit import AuditTrail
from gateway.services.rates import Rates

T = TypeVar("T")


class SignedReads:
    """`signer` gives what signs an account's requests; it raises `UnknownAccount` without a key."""

    def __init__(self, signer: Callable[[str], Sign], rates: Rates, audit: AuditTrail) -> None:
        self._signer = signer
        self._rates = rates
        self._audit = audit

    async def read(
        self, account: str, ask: Callable[[Sign], Awaitable[T]], caller: Caller | None = None
    ) -> T:
        """Ask the exchange; without a `caller` it is the gateway's own wish, and never refused.

        Raises `UnknownAccount`, `KeyUnavailable`, `RateLimited`, and what `ask` raises.
        """
        watched = _Watched(self._signer(account))
        await self._rates.take_call(account, own=caller is None)
        outcome = "CANCELLED"
        try:
            answer = await ask(watched)
            outcome = "OK"
        except GatewayError as failure:
            outcome = failure.code
            raise
        finally:
            if watched.signatures:
                self._audit.note(_event(account, caller, watched, outcome))
        return answer


class _Watched:
    """A signer that remembers what it was used for: a read that is repeated is signed anew."""

    def __init__(self, sign: Sign) -> None:
        self._sign = sign
        self.endpoint = ""
        self.signatures = 0
        self.key: KeyId | None = None

    def __call__(self, request: SigningRequest) -> SignedText:
        signed = self._sign(request)
        self.endpoint, self.key = request.endpoint.rpartition("/")[2], signed.key
        self.signatures += 1
        return signed


def _event(account: str, caller: Caller | None, watched: _Watched, outcome: str) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.READ,
        principal=GATEWAY if caller is None else caller.id,
        account=account,
        action=watched.endpoint,
        outcome=outcome,
        trace_id=None if caller is None else caller.trace_id,
        detail={"key": str(watched.key), "signatures": str(watched.signatures)},
    )
