"""A request in the exchange's protocol, once it is known what it asks for and who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.access.principal import Caller
from gateway.domain.virtual_keys import VirtualKey

Body: TypeAlias = dict[str, Any]
"""A reply's members beside `code`; money as Decimal, to be written as JSON numbers."""

Pairs: TypeAlias = Mapping[str, str]
"""Parameters as text, without `signature`, `timestamp` and `windowSize`."""


@dataclass(frozen=True, slots=True)
class FacadeCall:
    """Who asks, for which account, with which parameters.

    `account` is None for what is public. `client_order_id` names the request: for a signed one
    `v3:` and its signature, so that the same bytes are the same order. `key` is None for a caller
    with a bearer token, and for what is public.
    """

    caller: Caller
    parameters: Pairs
    account: str | None = None
    client_order_id: str = ""
    key: VirtualKey | None = None
