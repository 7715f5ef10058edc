"""A request in the exchange's protocol, once it is known what it asks for and who asks."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.access.principal import Caller
from gateway.web.facade.parameters import Parameters

Route: TypeAlias = tuple[str, str]
"""A method, and a path with its leading slash."""

Body: TypeAlias = dict[str, Any]
"""A reply's members beside `code`; money as numbers that lose no digit (`numbers`)."""


@dataclass(frozen=True, slots=True)
class FacadeCall:
    """Who asks, for which account, with which parameters.

    `account` is empty for what is public. `client_order_id` names the request: for a signed one
    `v3:` and its signature, so that the same bytes are the same order.
    """

    caller: Caller
    parameters: Parameters
    account: str = ""
    client_order_id: str = field(default="", repr=False)
