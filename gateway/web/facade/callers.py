"""Who asks: whoever signed with a virtual key, whose a bearer token is, or nobody in particular."""

from dataclasses import dataclass, field

from starlette.datastructures import Headers

from gateway.access.principal import ANONYMOUS, Principal, PrincipalKind
from gateway.access.proving import Cause, NotProven
from gateway.domain.orders import SIGNED
from gateway.domain.virtual_keys import VirtualKey
from gateway.web.authentication import authorization, bearer_token, note_refusal
from gateway.web.facade import codes
from gateway.web.facade.access import Access
from gateway.web.facade.parameters import Parameters
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.refusals import refusal_of
from gateway.web.facade.signed import Claim, api_key_in, claim_in, require_open_window

ANONYMOUS_PRINCIPAL = Principal(ANONYMOUS, PrincipalKind.APP)
"""Whoever asks without a signature or a token; the policy may grant it something."""

ACCOUNT = "x-gateway-account"
"""The header by which the bearer of a token names the account."""

_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedBy:
    """The virtual key and its signature."""

    key: VirtualKey
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, proven; for which account, empty for what is public; by which signature, if any."""

    principal: Principal
    account: str = ""
    signed: SignedBy | None = None


async def find_asker(
    parts: FacadeParts, access: Access, headers: Headers, parameters: Parameters, trace: str
) -> Asker:
    """Prove who asks. Of a signature and a token in one request, the signature counts.

    Raises the Refusals of 'Security' in the exchange's order (`signed`), 20005 for a token without
    an account, and `NotProven`, which goes on record. What is public needs neither signature nor
    token; one that is there must be right, and then its principal asks.
    """
    api_key = api_key_in(headers.raw)
    public = access is Access.PUBLIC
    try:
        if api_key and not (public and parameters.signature is None):
            claim = claim_in(api_key, parameters)
            return await _by_signature(parts, access, claim, parameters)
        if "authorization" in headers:
            return await _by_token(parts, headers, public=public)
        return _unsigned(parts, public=public)
    except NotProven as refused:
        note_refusal(refused, parts.services.audit, parts.metrics, trace)
        raise


async def admit_once(
    parts: FacadeParts, access: Access, endpoint: str, asker: Asker, trace: str
) -> None:
    """See that a signature acts on one `endpoint` only; there, the same bytes are the same request.

    Raises `NotProven`, which goes on record, and `NotRecorded` while that cannot be told.
    """
    if asker.signed is None or not access.mutates:
        return
    try:
        await parts.replay_guard.admit(
            asker.signed.key,
            asker.signed.signature,
            endpoint,
            may_pass_when_away=access is Access.CANCEL,
        )
    except NotProven as refused:
        note_refusal(refused, parts.services.audit, parts.metrics, trace)
        raise


def was_admitted(parts: FacadeParts, access: Access, endpoint: str, asker: Asker) -> bool:
    """Whether this process knows that the very same request came before, and acts."""
    if asker.signed is None or not access.mutates:
        return False
    return parts.replay_guard.remembers(asker.signed.key, asker.signed.signature, endpoint)


def order_id_for(parts: FacadeParts, asker: Asker) -> str:
    """The client order id of what is asked for: its signature, or a random one without any."""
    if asker.signed is not None:
        return SIGNED + asker.signed.signature
    return SIGNED + parts.random_bytes(_RANDOM_BYTES).hex()


async def _by_signature(
    parts: FacadeParts, access: Access, claim: Claim, parameters: Parameters
) -> Asker:
    # An order cannot pass without Redis anyway, so it may wait for it.
    key, principal = await parts.virtual_keys.verify(
        claim.api_key, claim.text, claim.signature, ask=access is Access.ORDER
    )
    require_open_window(parameters, parts.server_ms())
    return Asker(principal, key.account, SignedBy(key, claim.signature))


async def _by_token(parts: FacadeParts, headers: Headers, *, public: bool) -> Asker:
    proof = await parts.identities.authenticate(bearer_token(authorization(headers)))
    if public:
        return Asker(proof.principal)
    accounts = headers.getlist(ACCOUNT)
    if len(accounts) != 1 or not accounts[0]:
        raise refusal_of(codes.MISSING)
    return Asker(proof.principal, accounts[0])


def _unsigned(parts: FacadeParts, *, public: bool) -> Asker:
    if not public:
        raise refusal_of(codes.NO_KEY)
    if parts.services.trading_switch.suspended(ANONYMOUS_PRINCIPAL.id):
        raise NotProven(cause=Cause.SUSPENDED)
    return Asker(ANONYMOUS_PRINCIPAL)
