"""The endpoints of the exchange's document, and what answers each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from gateway.web.facade.answers import Answer
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import FacadeCall


class Access(StrEnum):
    """What an endpoint does, and so who may ask it, and what is made of a failure."""

    PUBLIC = "public"
    """Answers anybody whom the policy lets read market data; needs no signature."""
    READ = "read"
    ORDER = "order"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"

    @property
    def mutates(self) -> bool:
        """True for what a captured signature must not be replayed on."""
        return self in (Access.ORDER, Access.CANCEL, Access.WITHDRAW)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer` gives the reply; it raises `Refusal`, or a GatewayError for `outcomes` to tell."""

    access: Access
    answer: Callable[[FacadeParts, FacadeCall], Awaitable[Answer]]


Route: TypeAlias = tuple[str, str]
"""A method and a path with its leading slash."""

ENDPOINTS: Mapping[Route, Endpoint] = {}
"""Every endpoint by its method and path."""
