"""Faults on demand: what a REST endpoint shall do wrong, to whom, how often and how many times."""

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Annotated

import msgspec

EVERY_ENDPOINT = "*"
FILLER = "<filler>"

_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=600_000)]
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]


class Outcome(StrEnum):
    """How a request goes wrong, and whether it takes effect all the same."""

    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    CODE_BEFORE = "code-before"
    CODE_AFTER = "code-after"
    TRUNCATED = "truncated"
    HTML_502 = "html-502"
    TOO_MANY_REQUESTS = "too-many-requests"
    REPLY = "reply"
    EXECUTE_LATE = "execute-late"


class FaultMethod(StrEnum):
    """The verbs of the document's endpoints; one path may answer to both."""

    GET = "GET"
    POST = "POST"


_BODILESS = (204, 304)
_EXECUTING = frozenset({Outcome.DROP_AFTER, Outcome.CODE_AFTER, Outcome.TRUNCATED})
# What says more about an outcome, and the outcomes that listen to it.
_BELONGS_TO = MappingProxyType(
    {
        "executes": (Outcome.HTML_502, Outcome.TOO_MANY_REQUESTS, Outcome.REPLY),
        "late_ms": (Outcome.EXECUTE_LATE,),
        "code": (Outcome.CODE_BEFORE, Outcome.CODE_AFTER, Outcome.EXECUTE_LATE),
        "status": (Outcome.REPLY,),
        "media_type": (Outcome.REPLY, Outcome.TOO_MANY_REQUESTS),
        "body": (Outcome.REPLY,),
        "filler": (Outcome.REPLY,),
    }
)


class Fault(
    msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """What shall happen to requests to ``endpoint`` (a path as in the document, or ``*``).

    method: only requests with this verb.
    account: only requests with a key of this account. probability: of hitting a request that fits.
    count: how many requests are hit; all until it is taken back when None.
    delay_ms, reply_delay_ms: pauses before executing and before replying; alone, or with an
    outcome.
    executes: whether a request that gets html-502, too-many-requests or reply is executed first.
    late_ms: when execute-late executes, after the reply. code: what code-before, code-after
    (90000 by default) and execute-late (which hangs up by default) answer.
    status, media_type, body: what reply answers. ``<filler>`` in the body becomes ``filler``
    letters x.

    Raises ValueError for a member that does not belong to the outcome, and for a body that HTTP
    does not let the status have.
    """

    endpoint: str = EVERY_ENDPOINT
    method: FaultMethod | None = None
    account: str | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    delay_ms: _Milliseconds = 0
    reply_delay_ms: _Milliseconds = 0
    outcome: Outcome | None = None
    executes: bool = False
    late_ms: _Milliseconds = 0
    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{5}$")] | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200
    media_type: Annotated[str, msgspec.Meta(pattern=r"^[!-~][ -~]*\Z")] | None = None
    body: str = ""
    filler: _Bytes = 0

    def __post_init__(self) -> None:
        """Refuse what would say nothing, so that no test believes it has been heard."""
        for name, outcomes in _BELONGS_TO.items():
            if getattr(self, name) != _DEFAULTS[name] and self.outcome not in outcomes:
                raise ValueError(f"{name} belongs to {', '.join(outcomes)}")
        if self.filler and FILLER not in self.body:
            raise ValueError(f"the body says {FILLER} where the filler goes")
        if self.body and self.status in _BODILESS:
            raise ValueError(f"status {self.status} has no body")

    @property
    def executes_first(self) -> bool:
        """Whether the request is executed before its reply goes wrong."""
        return self.executes or self.outcome in _EXECUTING

    def fits_endpoint(self, method: str, endpoint: str) -> bool:
        """Whether it is about requests to such an endpoint."""
        return self.endpoint in (endpoint, EVERY_ENDPOINT) and self.method in (method, None)

    def fits(self, method: str, endpoint: str, account: str | None) -> bool:
        """Whether it is about such a request."""
        return self.fits_endpoint(method, endpoint) and self.account in (None, account)


_DEFAULTS = dict(
    zip(Fault.__struct_fields__, Fault.__struct_defaults__, strict=True)  # each field has one
)
NO_FAULT = Fault()


class Faults:
    """The faults that are set by number, oldest first; ``rng`` decides what is left to chance."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._faults: dict[int, Fault] = {}
        self._last = 0

    def __iter__(self) -> Iterator[tuple[int, Fault]]:
        return iter(self._faults.items())

    def add(self, fault: Fault) -> int:
        """Set a fault, behind those that are set; give its number."""
        self._last += 1
        self._faults[self._last] = fault
        return self._last

    def remove(self, number: int) -> None:
        """Take one back; one that is used up or gone is no error."""
        self._faults.pop(number, None)

    def clear(self) -> None:
        """Behave again."""
        self._faults.clear()

    def take(self, method: str, endpoint: str, account: str | None) -> Fault:
        """The oldest fault that hits a request of this account, which uses it up once."""
        for number, fault in self._faults.items():
            if fault.fits(method, endpoint, account) and self._hits(fault):
                self._use_up(number, fault)
                return fault
        return NO_FAULT

    def _hits(self, fault: Fault) -> bool:
        return fault.probability == 1 or self._rng.random() < fault.probability

    def _use_up(self, number: int, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count <= 1:
            del self._faults[number]
        else:
            left = msgspec.structs.replace(fault, count=fault.count - 1)
            self._faults[number] = left
