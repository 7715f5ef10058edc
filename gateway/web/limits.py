"""How requests are counted against the caller's limits, and how answers show what is left."""

from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

from gateway.access.principal import Principal
from gateway.domain.errors import RateLimited
from gateway.domain.limits import LimitState
from gateway.domain.money import plain
from gateway.schema.documents import DocumentFault, Documents
from gateway.schema.scalars import timestamp_text
from gateway.services.rates import Rates

CANCEL = "cancelOrder"


class _Shown(msgspec.Struct):
    name: str
    limit: str
    remaining: str
    resetsAt: str | None  # noqa: N815  # the name on the wire


_ENCODER = msgspec.json.Encoder()
_written = lru_cache(maxsize=1000)(timestamp_text)
"""Answers in quick succession show the same time."""


async def count_request(rates: Rates, principal: Principal, cancels: Callable[[], bool]) -> None:
    """Count a request; raise `RateLimited` when the principal has had too many.

    Only then is it asked whether the request `cancels` orders, and does nothing else: cancels have
    a share that nobody else can use up.
    """
    try:
        await rates.take_request(principal.id)
    except RateLimited:
        if not cancels():
            raise
        await rates.take_request(principal.id, cancel=True)


def only_cancels(documents: Documents, query: str, operation: str | None) -> bool:
    """Whether an operation does nothing but cancel orders."""
    if CANCEL not in query:  # who has had too many must not have documents parsed for nothing
        return False
    try:
        return documents.operation(query, operation).cancels
    except DocumentFault:
        return False


def limit_headers(state: LimitState) -> dict[str, str]:
    """The fields RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).

    A limit is an item of a list, its name a string; q is its quota, w its span in seconds, r what
    remains. The optional t, when more remains, is left out: by a sliding window that is always.
    """
    span = "" if state.per_s is None else f";w={state.per_s}"
    return {
        "ratelimit-policy": f'"{state.name}";q={state.limit}{span}',
        "ratelimit": f'"{state.name}";r={state.remaining}',
    }


def with_limits(body: bytes, states: Iterable[LimitState]) -> bytes:
    """A response with `extensions: {"limits": […]}` as its last member.

    Limits are written as `viewer` writes them: their figures are decimals, and so text. `body` is a
    JSON object that has members, none of them `extensions`: an answer that was kept as bytes need
    not be taken apart.
    """
    shown = _ENCODER.encode([_shown(state) for state in states])
    return b'%b,"extensions":{"limits":%b}}' % (body[:-1], shown)


def _shown(state: LimitState) -> _Shown:
    resets_at = None if state.resets_at is None else _written(state.resets_at)
    return _Shown(state.name, plain(state.limit), plain(state.remaining), resets_at)
