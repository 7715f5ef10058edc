"""What an endpoint is: a handler of parameters that acts on the venue and makes the reply's body.

Tables of endpoints are keyed by method and path without its leading slash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gateway.sandbox.engine import Engine
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.permissions import Permission
from gateway.sandbox.replies import Body
from gateway.sandbox.treasury import Treasury

PATH_PREFIX = "v3/api/"

Clock: TypeAlias = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Venue:
    """What the endpoints of one exchange act on; ``clock`` gives epoch ms."""

    engine: Engine
    clock: Clock
    treasury: Treasury


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """An endpoint that anybody may ask. Its handler raises Refusal."""

    answer: Callable[[Venue, Parameters], Body]


@dataclass(frozen=True, slots=True)
class SignedEndpoint:
    """An endpoint that acts for the account (its id) that signed. Its handler raises Refusal."""

    answer: Callable[[Venue, str, Parameters], Body]
    permission: Permission


Endpoints: TypeAlias = Mapping[tuple[str, str], PublicEndpoint | SignedEndpoint]
