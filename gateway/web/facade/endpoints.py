"""The endpoints of the exchange's document, and what answers each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gateway.web.facade.access import Access
from gateway.web.facade.answers import Answer
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import FacadeCall

Route: TypeAlias = tuple[str, str]
"""A method, and a path with its leading slash."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer` gives the reply; it raises `Refusal`, or a GatewayError for `outcomes` to tell."""

    access: Access
    answer: Callable[[FacadeParts, FacadeCall], Awaitable[Answer]]


ENDPOINTS: Mapping[Route, Endpoint] = {}
"""Every endpoint by its method and path."""


__all__ = ["ENDPOINTS", "Access", "Endpoint", "Route"]
