"""What may be signed: each signed endpoint of the exchange's document, with its parameters.

Headings 'API Authentication Test', 'Signed Market Endpoints' and 'Signed Balance Endpoints'. The
exchange client states the same once more, on purpose: custody trusts nobody, and signs nothing for
having been asked nicely.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from gateway.domain.money import NotADecimal, bounded
from gateway.domain.signing import Parameter, Purpose, SigningRequest

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ORDER_ID = re.compile(r"[A-Za-z0-9]{1,256}", re.ASCII)
_LONGEST_TEXT = 256
_LONGEST_WINDOW_MS = 60_000
_LAST_TIME_MS = 253_402_300_799_999  # the end of the year 9999


class NotSignable(Exception):
    """Custody does not sign that: `endpoint`, and the name of the `parameter` that is wrong.

    `parameter` is empty when it is the endpoint that is not known. It never holds a value.
    """

    def __init__(self, endpoint: str, parameter: str = "") -> None:
        super().__init__(endpoint, parameter)
        self.endpoint = endpoint
        self.parameter = parameter

    def __str__(self) -> str:
        """Name endpoint and parameter."""
        where = f", parameter {self.parameter[:64]!r}" if self.parameter else ""
        return f"not to be signed: endpoint {self.endpoint[:64]!r}{where}"


Check = Callable[[Parameter], bool]
"""Whether a parameter may have this value."""


def _is_name(value: Parameter) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_order_id(value: Parameter) -> bool:
    return isinstance(value, str) and _ORDER_ID.fullmatch(value) is not None


def _is_line(value: Parameter) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_TEXT
        and value.isprintable()
        and value == value.strip()
    )


def _is_above_zero(value: Parameter) -> bool:
    try:
        return isinstance(value, Decimal) and bounded(value) > 0
    except NotADecimal:
        return False


def _is_time(value: Parameter) -> bool:
    return type(value) is int and 0 < value <= _LAST_TIME_MS


def _is_window(value: Parameter) -> bool:
    return type(value) is int and 0 < value <= _LONGEST_WINDOW_MS


_STAMPS: Mapping[str, Check] = {"timestamp": _is_time, "windowSize": _is_window}


@dataclass(frozen=True, slots=True)
class Signable:
    """An endpoint that may be signed: what its key is for, and its parameters beside the stamps."""

    purpose: Purpose
    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)

    def fault(self, parameters: tuple[tuple[str, Parameter], ...]) -> str | None:
        """Name a parameter that is unknown, repeated, missing or of another kind, or None."""
        required = {**self.required, **_STAMPS}
        missing = set(required)
        known = {**required, **self.optional}
        for name, value in parameters:
            check = known.pop(name, None)
            if check is None or not check(value):
                return name
            missing.discard(name)
        return min(missing, default=None)


_SYMBOL: Mapping[str, Check] = {"symbol": _is_name}
_LIMIT = {**_SYMBOL, "price": _is_above_zero, "amount": _is_above_zero}
_STOP_LIMIT = {**_LIMIT, "target": _is_above_zero}
_QUANTITY = {**_SYMBOL, "amount": _is_above_zero}
_QUOTE_TOTAL = {**_SYMBOL, "total": _is_above_zero}

WHITELIST: Mapping[str, Signable] = MappingProxyType(
    {
        "market/limit-buy": Signable(Purpose.TRADE, _LIMIT),
        "market/limit-sell": Signable(Purpose.TRADE, _LIMIT),
        "market/market-buy": Signable(Purpose.TRADE, _QUANTITY),
        "market/market-sell": Signable(Purpose.TRADE, _QUANTITY),
        "market/stop-limit-buy": Signable(Purpose.TRADE, _STOP_LIMIT),
        "market/stop-limit-sell": Signable(Purpose.TRADE, _STOP_LIMIT),
        "market/fast-buy": Signable(Purpose.TRADE, _QUOTE_TOTAL),
        "market/fast-sell": Signable(Purpose.TRADE, _QUANTITY),
        "market/cancel-order": Signable(Purpose.TRADE, {"orderId": _is_order_id}),
        "market/user-orders": Signable(Purpose.READ),
        "market/user-trades": Signable(Purpose.READ),
        "balance/wallet": Signable(Purpose.READ),
        "balance/currencies": Signable(Purpose.READ),
        "balance/withdraw": Signable(Purpose.READ, _SYMBOL),
        "balance/deposit": Signable(Purpose.READ, _SYMBOL),
        "balance/withdraw-history": Signable(Purpose.READ),
        "balance/deposit-history": Signable(Purpose.READ),
        "balance/create-withdraw": Signable(
            Purpose.WITHDRAW,
            {
                "symbol": _is_name,
                "amount": _is_above_zero,
                "address": _is_line,
                "node": _is_line,
            },
            {"secondParameter": _is_line},
        ),
    }
)
"""Every signed endpoint by its path below /v3/api."""


def required_purpose(request: SigningRequest) -> Purpose:
    """Say what the key must be for that signs `request`; raise `NotSignable` for anything else.

    Anything else is an endpoint that is not listed, a parameter that is missing, unknown or
    repeated, and a value of another type or shape than the document's.
    """
    endpoint = WHITELIST.get(request.endpoint)
    if endpoint is None:
        raise NotSignable(request.endpoint)
    if (name := endpoint.fault(request.parameters)) is not None:
        raise NotSignable(request.endpoint, name)
    return endpoint.purpose
