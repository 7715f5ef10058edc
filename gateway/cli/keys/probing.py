"""What a key may do, found out by calls that change nothing."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

from gateway.cli.keys.settings import KeysSettings
from gateway.domain.errors import ExchangeFailure, Refused
from gateway.domain.signing import Purpose, Sign
from gateway.exchange import ExchangeClient, ExchangeClock, Timeouts, open_transport

IMPOSSIBLE_ORDER = "0" * 72
"""As long as the order ids of the exchange's REST interface, and none of them."""

_NO_SUCH_ORDER = "10075"
_NOT_PERMITTED = "20011"


class Verdict(Enum):
    """What the exchange's answer proves."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Finding:
    """One question's answer; `why` says in words what it rests on."""

    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether the exchange knows the key, and whether the key may read and trade."""

    known: Finding
    read: Finding
    trade: Finding

    def suit(self, purpose: Purpose) -> Finding:
        """Whether it may do what `purpose` needs; of withdrawing, whether it may read.

        Every key must be able to read: the gateways take a key only when it has passed the
        authentication test, which asks for that.
        """
        if purpose is Purpose.TRADE and self.read.verdict is Verdict.YES:
            return self.trade
        return self.read


@asynccontextmanager
async def open_exchange(settings: KeysSettings) -> AsyncIterator[ExchangeClient]:
    """Give a client of the exchange for the span of one command."""
    timeouts = Timeouts(settings.exchange_connect_timeout_s, settings.exchange_read_timeout_s)
    async with open_transport(settings.exchange_rest_url, timeouts=timeouts) as transport:
        yield ExchangeClient(
            transport,
            ExchangeClock(lambda: time.time_ns() // 1_000_000, time.monotonic),
            post_form=settings.exchange_post_form,
            window_ms=settings.order_window_ms,
            on_call=lambda _endpoint, _code: None,
        )


async def find_rights(exchange: ExchangeClient, sign: Sign) -> Rights:
    """Ask with `sign`, the key's: the authentication test, a wallet reading, a cancel of no order.

    The test itself asks for the right to read, so a refusal for want of that shows that the key is
    known. A key that is not known is asked nothing more.
    """
    known = await _known(exchange, sign)
    if known.verdict is not Verdict.YES:
        return Rights(known, known, known)
    return Rights(known, await _reads(exchange, sign), await _trades(exchange, sign))


async def _known(exchange: ExchangeClient, sign: Sign) -> Finding:
    try:
        await exchange.authenticate(sign)
    except Refused as refused:
        if refused.exchange_code == _NOT_PERMITTED:
            return Finding(Verdict.YES, "known, but it may not read (20011)")
        return Finding(Verdict.NO, _reason(refused))
    except ExchangeFailure as failure:
        return Finding(Verdict.UNKNOWN, str(failure))
    return Finding(Verdict.YES, "the authentication test passed")


async def _reads(exchange: ExchangeClient, sign: Sign) -> Finding:
    try:
        await exchange.balances(sign)
    except Refused as refused:
        return Finding(Verdict.NO, _reason(refused))
    except ExchangeFailure as failure:
        return Finding(Verdict.UNKNOWN, str(failure))
    return Finding(Verdict.YES, "it read the wallet")


async def _trades(exchange: ExchangeClient, sign: Sign) -> Finding:
    try:
        prepared = await exchange.prepare_cancel(sign, IMPOSSIBLE_ORDER)
        await exchange.cancel(prepared, IMPOSSIBLE_ORDER)
    except Refused as refused:
        return _of_cancel(refused)
    except ExchangeFailure as failure:
        return Finding(Verdict.UNKNOWN, str(failure))
    return Finding(Verdict.UNKNOWN, "the exchange says that it cancelled an order that cannot be")


def _of_cancel(refused: Refused) -> Finding:
    if refused.exchange_code == _NO_SUCH_ORDER:
        return Finding(Verdict.YES, "it may cancel: the order asked for is not there (10075)")
    if refused.exchange_code == _NOT_PERMITTED:
        return Finding(Verdict.NO, _reason(refused))
    return Finding(Verdict.UNKNOWN, _reason(refused))


def _reason(refused: Refused) -> str:
    return f"{refused.meaning} ({refused.exchange_code})"
