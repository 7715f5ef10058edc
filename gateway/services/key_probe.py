"""Asks the exchange whether it takes a key, for what the key is for."""

from gateway.domain.errors import ExchangeFailure, GatewayError, Refused, Unclear
from gateway.domain.signing import Purpose, Sign
from gateway.exchange import KEY_REFUSED_CODES, ExchangeClient

_NO_ORDER = "0" * 72
"""No order has this id: a cancel of it changes nothing, and shows whether the key may cancel.

It is as long as an id of the exchange, so that it is looked for.
"""


class KeyRefused(Exception):
    """The exchange refuses the key, with `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotProbed(Exception):
    """The exchange could not be asked; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


async def probe(exchange: ExchangeClient, purpose: Purpose, sign: Sign) -> None:
    """Return if the exchange takes the key behind `sign`; raise `KeyRefused` or `NotProbed`.

    Every key takes the authentication test, and a trade key cancels an order that cannot be there.
    Whether a key may withdraw no call can tell without withdrawing.
    """
    try:
        await exchange.authenticate(sign)
        if purpose is Purpose.TRADE:
            await _may_cancel(exchange, sign)
    except GatewayError as failure:
        if isinstance(failure, Refused) and not failure.retry:
            raise KeyRefused(failure.exchange_code) from None
        raise NotProbed(str(failure)) from None


async def _may_cancel(exchange: ExchangeClient, sign: Sign) -> None:
    prepared = await exchange.prepare_cancel(sign, _NO_ORDER)
    try:
        await exchange.cancel(prepared, _NO_ORDER)
    except ExchangeFailure as failure:
        # Any answer but a refusal of the key came from behind the check of the key.
        if not isinstance(failure, Refused | Unclear) or failure.exchange_code is None:
            raise
        if failure.exchange_code in KEY_REFUSED_CODES:
            raise
